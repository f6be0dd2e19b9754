import { Injectable } from '@nestjs/common';
import { IsNull, MoreThan } from 'typeorm';
import { Database } from '#platform';
import type { ActedFor, Key, KeyWithOwner, KeyReach } from './key.js';
import { KeyEntity } from './key.entity.js';

const NEWEST_FIRST = { createdAt: 'DESC', id: 'DESC' } as const;
/** Whether the member `m` may act for the organisation `o` only with a key from its single sign-on. */
const SSO_BOUND = 'exists (select 1 from sso_bound b where b.org_id = o.id and b.user_id = m.user_id)';

/** Every query on keys and on the revocation log. */
@Injectable()
export class KeysRepository {
  constructor(private readonly db: Database) {}

  async insert(key: Key, digest: Buffer): Promise<void> {
    await this.db.repo(KeyEntity).insert({ ...key, digest });
  }

  async findByDigest(digest: Buffer): Promise<KeyWithOwner | null> {
    const [row] = await this.db.query<KeyWithOwner>(
      `select k.id, k.kind, k.name, k.prefix, k.user_id as "userId", k.account_id as "accountId", k.scopes,
              k.project_ids as "projectIds", k.expires_at as "expiresAt", k.revoked_at as "revokedAt",
              k.replaced_by as "replacedBy", k.late_use_at as "lateUseAt",
              a.slug as "accountSlug", o.id as "orgId", a.tier, u.is_active as "isActive",
              u.is_admin and i.org_id is null as "isAdmin",
              a.kind = 'personal' or m.user_id is not null as "isMember",
              i.org_id is distinct from o.id and ${SSO_BOUND} as "needsSso"
         from api_key k join app_user u on u.id = k.user_id join account a on a.id = k.account_id
         left join organisation o on o.account_id = a.id
         left join org_member m on m.org_id = o.id and m.user_id = k.user_id
         left join sso_identity i on i.id = k.sso_identity_id
        where k.digest = $1`,
      [digest],
    );
    return row ?? null;
  }

  /** The organisation account of that slug, a former one included, if the user is one of its members. */
  async findActedFor(userId: string, slug: string): Promise<ActedFor | null> {
    const [row] = await this.db.query<ActedFor>(
      `select a.id as "accountId", a.slug as "accountSlug", o.id as "orgId", a.tier, ${SSO_BOUND} as "needsSso"
         from account_slug s join account a on a.id = s.account_id join organisation o on o.account_id = a.id
         join org_member m on m.org_id = o.id and m.user_id = $1
        where s.slug = $2`,
      [userId, slug],
    );
    return row ?? null;
  }

  async findReach(keyId: string): Promise<KeyReach | null> {
    const [row] = await this.db.query<KeyReach>(
      `select k.account_id as "accountId", k.account_id = u.account_id as "isPersonal", k.expires_at as "expiresAt",
              k.sso_identity_id as "ssoIdentityId"
         from api_key k join app_user u on u.id = k.user_id where k.id = $1`,
      [keyId],
    );
    return row ?? null;
  }

  /** The user's own keys that are neither revoked nor past their grace, newest first. */
  listLive(userId: string, now: Date): Promise<Key[]> {
    const own = { userId, kind: 'user_key' } as const;
    return this.db.repo(KeyEntity).find({
      where: [
        { ...own, revokedAt: IsNull() },
        { ...own, revokedAt: MoreThan(now) },
      ],
      order: NEWEST_FIRST,
    });
  }

  /** All of the user's own keys, newest first. */
  listAll(userId: string): Promise<Key[]> {
    return this.db.repo(KeyEntity).find({ where: { userId, kind: 'user_key' }, order: NEWEST_FIRST });
  }

  /** A user's own key, its row locked until the transaction ends. */
  lockOwn(userId: string, keyId: string): Promise<Key | null> {
    return this.lock({ id: keyId, userId, kind: 'user_key' });
  }

  /** An organisation's service key, its row locked until the transaction ends. */
  lockOfOrganisation(accountId: string, keyId: string): Promise<Key | null> {
    return this.lock({ id: keyId, accountId, kind: 'service_key' });
  }

  /** The service keys of an organisation, revoked ones included, newest first. */
  listOfOrganisation(accountId: string): Promise<Key[]> {
    return this.db.repo(KeyEntity).find({ where: { accountId, kind: 'service_key' }, order: NEWEST_FIRST });
  }

  findOfOrganisation(accountId: string, keyId: string): Promise<Key | null> {
    return this.db.repo(KeyEntity).findOneBy({ id: keyId, accountId, kind: 'service_key' });
  }

  /** Ends a key for its own sake: whatever replaced it has nothing to do with it any more. */
  async revoke(keyId: string, reason: string, now: Date): Promise<void> {
    await this.db.repo(KeyEntity).update({ id: keyId }, { revokedAt: now, revokeReason: reason, replacedBy: null });
  }

  /** Ends a key at `until` in favour of another; its live pinned sessions are that one's from now on. */
  async replace(keyId: string, by: { keyId: string; until: Date; reason: string }): Promise<void> {
    await this.db
      .repo(KeyEntity)
      .update({ id: keyId }, { revokedAt: by.until, revokeReason: by.reason, replacedBy: by.keyId });
    await this.db.query(
      `update pinned_session s set successor_key_id = $2 from api_key k
        where k.id = s.key_id and s.ended_at is null and coalesce(s.successor_key_id, k.replaced_by, k.id) in ($1, $2)`,
      [keyId, by.keyId],
    );
  }

  /** True when no use of the key was reported since `since`; the next caller gets false. */
  async claimLateUse(keyId: string, since: Date, now: Date): Promise<boolean> {
    const rows = await this.db.query(
      `update api_key set late_use_at = $3 where id = $1 and (late_use_at is null or late_use_at < $2) returning id`,
      [keyId, since, now],
    );
    return rows.length > 0;
  }

  async recordUse(uses: readonly { keyId: string; at: Date; address: string | null }[]): Promise<void> {
    await this.db.query(
      `update api_key k set last_used_at = greatest(k.last_used_at, u.at), last_used_ip = coalesce(u.address, k.last_used_ip)
         from unnest($1::uuid[], $2::timestamptz[], $3::text[]) as u(id, at, address) where k.id = u.id`,
      [uses.map((use) => use.keyId), uses.map((use) => use.at), uses.map((use) => use.address)],
    );
  }

  private lock(where: Partial<Pick<Key, 'id' | 'userId' | 'accountId' | 'kind'>>): Promise<Key | null> {
    return this.db.repo(KeyEntity).findOne({ where, lock: { mode: 'pessimistic_write' } });
  }
}
