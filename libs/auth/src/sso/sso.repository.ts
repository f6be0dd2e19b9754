import { Injectable } from '@nestjs/common';
import { Database, Revocations } from '#platform';
import type { SsoConnection } from './sso-connection.js';
import type { SsoDomain } from './sso-domain.js';

export interface StoredConnection extends Omit<SsoConnection, 'orgId' | 'clientSecret'> {
  readonly orgId: string;
  readonly sealedSecret: Buffer | null;
  readonly updatedAt: Date;
}

const CONNECTION = `c.org_id as "orgId", c.issuer, c.client_id as "clientId", c.client_secret as "sealedSecret", c.enforce,
  c.default_role as "defaultRole", c.updated_at as "updatedAt"`;
const DOMAIN = `org_id as "orgId", domain, challenge, verified_at as "verifiedAt", verified_by as "verifiedBy",
  created_at as "createdAt"`;

/** Every query on connections and domains. */
@Injectable()
export class SsoRepository {
  constructor(
    private readonly db: Database,
    private readonly revocations: Revocations,
  ) {}

  async findConnection(orgId: string): Promise<StoredConnection | null> {
    return this.first(`select ${CONNECTION} from sso_connection c where c.org_id = $1`, [orgId]);
  }

  /** The connection of the organisation that has proved the domain, if it has both. */
  async findConnectionOfDomain(domain: string): Promise<StoredConnection | null> {
    return this.first(
      `select ${CONNECTION} from sso_connection c join sso_domain d on d.org_id = c.org_id
        where d.domain = $1 and d.verified_at is not null`,
      [domain],
    );
  }

  async findConnectionOfSlug(slug: string): Promise<StoredConnection | null> {
    return this.first(
      `select ${CONNECTION} from sso_connection c join organisation o on o.id = c.org_id
         join account a on a.id = o.account_id where a.slug = $1`,
      [slug],
    );
  }

  async saveConnection(connection: StoredConnection): Promise<void> {
    const { orgId, issuer, clientId, sealedSecret, enforce, defaultRole, updatedAt } = connection;
    await this.db.query(
      `insert into sso_connection (org_id, issuer, client_id, client_secret, enforce, default_role, updated_at)
       values ($1, $2, $3, $4, $5, $6, $7)
       on conflict (org_id) do update set issuer = excluded.issuer, client_id = excluded.client_id,
         client_secret = excluded.client_secret, enforce = excluded.enforce, default_role = excluded.default_role,
         updated_at = excluded.updated_at`,
      [orgId, issuer, clientId, sealedSecret, enforce, defaultRole, updatedAt],
    );
  }

  /** False when there was none. */
  async deleteConnection(orgId: string): Promise<boolean> {
    const rows = await this.db.query('delete from sso_connection where org_id = $1 returning org_id', [orgId]);
    return rows.length > 0;
  }

  /** Ends every key that the organisation's sign-in has made, on all nodes. */
  async revokeKeys(orgId: string, reason: string, now: Date): Promise<void> {
    const ended = await this.db.query<{ id: string }>(
      `update api_key k set revoked_at = $3, revoke_reason = $2 from sso_identity i
        where i.id = k.sso_identity_id and i.org_id = $1 and (k.revoked_at is null or k.revoked_at > $3)
       returning k.id`,
      [orgId, reason, now],
    );
    await this.revocations.append('key', ...ended.map(({ id }) => id));
  }

  listDomains(orgId: string): Promise<SsoDomain[]> {
    return this.db.query(`select ${DOMAIN} from sso_domain where org_id = $1 order by domain`, [orgId]);
  }

  async findDomain(orgId: string, domain: string): Promise<SsoDomain | null> {
    return this.first(`select ${DOMAIN} from sso_domain where org_id = $1 and domain = $2`, [orgId, domain]);
  }

  /** The row as it is: the one that was there keeps its challenge. */
  async addDomain({ orgId, domain, challenge, createdAt }: SsoDomain): Promise<SsoDomain> {
    await this.db.query(
      `insert into sso_domain (org_id, domain, challenge, created_at) values ($1, $2, $3, $4)
       on conflict (org_id, domain) do nothing`,
      [orgId, domain, challenge, createdAt],
    );
    return (await this.findDomain(orgId, domain))!;
  }

  /** @throws a unique violation when another organisation has proved it */
  async verifyDomain(orgId: string, domain: string, by: 'dns' | 'admin', now: Date): Promise<void> {
    await this.db.query(
      `update sso_domain set verified_at = $4, verified_by = $3 where org_id = $1 and domain = $2 and verified_at is null`,
      [orgId, domain, by, now],
    );
  }

  async deleteDomain(orgId: string, domain: string): Promise<boolean> {
    const rows = await this.db.query('delete from sso_domain where org_id = $1 and domain = $2 returning domain', [
      orgId,
      domain,
    ]);
    return rows.length > 0;
  }

  /** Whether this organisation has proved the domain. */
  async ownsDomain(orgId: string, domain: string): Promise<boolean> {
    const rows = await this.db.query(
      'select 1 from sso_domain where org_id = $1 and domain = $2 and verified_at is not null',
      [orgId, domain],
    );
    return rows.length > 0;
  }

  private async first<Row>(sql: string, parameters: readonly unknown[]): Promise<Row | null> {
    const [row] = await this.db.query<Row>(sql, parameters);
    return row ?? null;
  }
}
