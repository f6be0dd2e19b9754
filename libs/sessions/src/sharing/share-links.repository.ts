import { Injectable } from '@nestjs/common';
import { Database } from '#platform';
import type { ShareLink } from './share-link.js';

export type NewShareLink = Pick<ShareLink, 'id' | 'sessionUid' | 'passwordHash' | 'createdAt' | 'expiresAt'> & {
  readonly tokenDigest: string;
  readonly createdBy: string;
};

/** Position after a link in the list of its session. */
export interface ShareLinkPlace {
  readonly createdAt: string;
  readonly id: string;
}

const COLUMNS = `l.id, l.session_uid as "sessionUid", l.password_hash as "passwordHash", l.created_at as "createdAt",
  l.expires_at as "expiresAt", l.revoked_at as "revokedAt", l.view_count::float8 as "viewCount",
  l.last_viewed_at as "lastViewedAt"`;

/** Every query on share links. */
@Injectable()
export class ShareLinksRepository {
  constructor(private readonly db: Database) {}

  async insert(link: NewShareLink): Promise<void> {
    await this.db.query(
      `insert into share_link (id, session_uid, token_digest, password_hash, created_by, created_at, expires_at)
       values ($1, $2, $3, $4, $5, $6, $7)`,
      [link.id, link.sessionUid, link.tokenDigest, link.passwordHash, link.createdBy, link.createdAt, link.expiresAt],
    );
  }

  /**
   * As the world finds it. Links of people who were locked out are gone with them, and so are those into an
   * organisation that their maker has left.
   */
  async findByToken(tokenDigest: string): Promise<ShareLink | null> {
    const [row] = await this.db.query<ShareLink>(
      `select ${COLUMNS} from share_link l join app_user u on u.id = l.created_by
         join captured_session s on s.uid = l.session_uid
        where l.token_digest = $1 and u.is_active
          and not exists (select from organisation o where o.account_id = s.account_id and not exists (
                select from org_member m where m.org_id = o.id and m.user_id = u.id))`,
      [tokenDigest],
    );
    return row ?? null;
  }

  async findOf(sessionUid: string, id: string): Promise<ShareLink | null> {
    const [row] = await this.db.query<ShareLink>(
      `select ${COLUMNS} from share_link l where l.session_uid = $1 and l.id = $2`,
      [sessionUid, id],
    );
    return row ?? null;
  }

  /** Newest first; one more than `limit`. */
  list(sessionUid: string, after: ShareLinkPlace | null, limit: number): Promise<ShareLink[]> {
    return this.db.query<ShareLink>(
      `select ${COLUMNS} from share_link l
        where l.session_uid = $1 and ($2::timestamptz is null or (l.created_at, l.id) < ($2, $3::uuid))
        order by l.created_at desc, l.id desc limit $4`,
      [sessionUid, after?.createdAt ?? null, after?.id ?? null, limit + 1],
    );
  }

  /** Ends the link, or all of the session's. Answers those that were not revoked before. */
  async revoke(sessionUid: string, id: string | null, now: Date): Promise<string[]> {
    const rows = await this.db.query<{ id: string }>(
      `update share_link set revoked_at = $3
        where session_uid = $1 and ($2::uuid is null or id = $2) and revoked_at is null returning id`,
      [sessionUid, id, now],
    );
    return rows.map((row) => row.id);
  }

  async countView(id: string, now: Date): Promise<void> {
    await this.db.query(
      `update share_link set view_count = view_count + 1, last_viewed_at = greatest(last_viewed_at, $2) where id = $1`,
      [id, now],
    );
  }
}
