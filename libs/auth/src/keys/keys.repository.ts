import { Injectable } from '@nestjs/common';
import { IsNull } from 'typeorm';
import { Database } from '#platform';
import type { ActedFor, Key, KeyWithOwner } from './key.js';
import { KeyEntity } from './key.entity.js';
import type { Revocation } from './revocations.js';

/** Every query on keys and on the revocation log. */
@Injectable()
export class KeysRepository {
  constructor(private readonly db: Database) {}

  async insert(key: Key, digest: Buffer): Promise<void> {
    await this.db.repo(KeyEntity).insert({ ...key, digest });
  }

  async findByDigest(digest: Buffer): Promise<KeyWithOwner | null> {
    const [row] = await this.db.query<KeyWithOwner>(
      `select k.id, k.kind, k.name, k.user_id as "userId", k.account_id as "accountId", k.scopes,
              k.project_ids as "projectIds", k.expires_at as "expiresAt", k.revoked_at as "revokedAt",
              a.slug as "accountSlug", o.id as "orgId", a.tier, u.is_admin as "isAdmin", u.is_active as "isActive",
              o.id is null or m.user_id is not null as "isMember"
         from api_key k join app_user u on u.id = k.user_id join account a on a.id = k.account_id
         left join organisation o on o.account_id = a.id
         left join org_member m on m.org_id = o.id and m.user_id = k.user_id
        where k.digest = $1`,
      [digest],
    );
    return row ?? null;
  }

  /** The organisation account of that slug, if the user is one of its members. */
  async findActedFor(userId: string, slug: string): Promise<ActedFor | null> {
    const [row] = await this.db.query<ActedFor>(
      `select a.id as "accountId", a.slug as "accountSlug", o.id as "orgId", a.tier
         from account a join organisation o on o.account_id = a.id
         join org_member m on m.org_id = o.id and m.user_id = $1
        where a.slug = $2`,
      [userId, slug],
    );
    return row ?? null;
  }

  /** The account a key was made for and when it ends (null: never); null for an unknown key. */
  async findReach(keyId: string): Promise<{ accountId: string; isPersonal: boolean; expiresAt: Date | null } | null> {
    const [row] = await this.db.query<{ accountId: string; isPersonal: boolean; expiresAt: Date | null }>(
      `select k.account_id as "accountId", k.account_id = u.account_id as "isPersonal", k.expires_at as "expiresAt"
         from api_key k join app_user u on u.id = k.user_id where k.id = $1`,
      [keyId],
    );
    return row ?? null;
  }

  /** The user's own live keys, newest first. */
  listLive(userId: string): Promise<Key[]> {
    return this.db.repo(KeyEntity).find({
      where: { userId, kind: 'user_key', revokedAt: IsNull() },
      order: { createdAt: 'DESC', id: 'DESC' },
    });
  }

  /** True when the key was the user's and live until now. */
  async revoke(userId: string, keyId: string, reason: string, now: Date): Promise<boolean> {
    const rows = await this.db.query(
      `update api_key set revoked_at = $3, revoke_reason = $4
        where id = $2 and user_id = $1 and kind = 'user_key' and revoked_at is null returning id`,
      [userId, keyId, now, reason],
    );
    return rows.length > 0;
  }

  async appendRevocation(kind: Revocation['kind'], subjectId: string): Promise<Revocation> {
    const [row] = await this.db.query<Revocation>(
      `insert into revocation (kind, subject_id) values ($1, $2)
       returning seq::text, kind, subject_id as "subjectId"`,
      [kind, subjectId],
    );
    return row!;
  }

  async recordUse(uses: readonly { keyId: string; at: Date; address: string | null }[]): Promise<void> {
    await this.db.query(
      `update api_key k set last_used_at = greatest(k.last_used_at, u.at), last_used_ip = coalesce(u.address, k.last_used_ip)
         from unnest($1::uuid[], $2::timestamptz[], $3::text[]) as u(id, at, address) where k.id = u.id`,
      [uses.map((use) => use.keyId), uses.map((use) => use.at), uses.map((use) => use.address)],
    );
  }
}
