import { Injectable } from '@nestjs/common';
import { Database, Revocations } from '#platform';
import type { ProvenIdentity, SsoIdentity } from './sso-connection.js';

const IDENTITY = 'id, org_id as "orgId", user_id as "userId", deactivated_at is null as "isActive"';

/** Every query on identities at providers, and on the keys they were given. */
@Injectable()
export class SsoIdentitiesRepository {
  constructor(
    private readonly db: Database,
    private readonly revocations: Revocations,
  ) {}

  async find(orgId: string | null, { issuer, subject }: ProvenIdentity): Promise<SsoIdentity | null> {
    const [row] = await this.db.query<SsoIdentity>(
      `select ${IDENTITY} from sso_identity
        where org_id is not distinct from $1 and issuer = $2 and subject = $3`,
      [orgId, issuer, subject],
    );
    return row ?? null;
  }

  async get(id: string): Promise<SsoIdentity | null> {
    const [row] = await this.db.query<SsoIdentity>(`select ${IDENTITY} from sso_identity where id = $1`, [id]);
    return row ?? null;
  }

  async insert(identity: SsoIdentity, { issuer, subject }: ProvenIdentity, now: Date): Promise<void> {
    await this.db.query(
      `insert into sso_identity (id, org_id, issuer, subject, user_id, created_at, last_sign_in_at)
       values ($1, $2, $3, $4, $5, $6, $6)`,
      [identity.id, identity.orgId, issuer, subject, identity.userId, now],
    );
  }

  /** Notes a sign-in; an identity that was put to rest with a membership lives again. */
  async touch(id: string, now: Date): Promise<void> {
    await this.db.query('update sso_identity set last_sign_in_at = $2, deactivated_at = null where id = $1', [id, now]);
  }

  /** One sign-in of a person at a time where there is no organisation to lock. */
  async lockPerson({ issuer, subject }: ProvenIdentity): Promise<void> {
    await this.db.query(`select pg_advisory_xact_lock(hashtextextended($1, 0))`, [`sso ${issuer} ${subject}`]);
  }

  /** Ends every key and with them every pinned session of a person, on all nodes. */
  async revokeAllKeys(userId: string, reason: string, now: Date): Promise<void> {
    await this.db.query(
      `update api_key set revoked_at = $3, revoke_reason = $2
        where user_id = $1 and kind <> 'service_key' and (revoked_at is null or revoked_at > $3)`,
      [userId, reason, now],
    );
    await this.revocations.append('user', userId);
  }
}
