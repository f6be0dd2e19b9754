import { Injectable } from '@nestjs/common';
import { Database } from '#platform';
import type { CapturedSession } from '../captured-session.js';
import { SESSION_COLUMNS, SESSION_TABLES, type SessionOwner } from '../sessions.repository.js';

export interface BookmarkFolder {
  readonly id: string;
  readonly name: string;
  /** `#rrggbb`. */
  readonly color: string | null;
  readonly bookmarkCount: number;
  readonly createdAt: Date;
}

export interface Bookmark {
  readonly id: string;
  readonly folderId: string;
  readonly sessionUid: string;
  readonly createdAt: Date;
}

export type BookmarkedSession = CapturedSession & { readonly bookmarkId: string; readonly bookmarkedAt: Date };

/** Position after a bookmark in its folder. */
export interface BookmarkPlace {
  readonly bookmarkedAt: string;
  readonly id: string;
}

/** Folders belong to a person in one account. */
const OWN = 'f.account_id = $1 and f.user_id = $2';
/** What others no longer show is in nobody's folders, and there again once they do. */
const VISIBLE = `s.account_id = f.account_id and (s.user_id = f.user_id or s.visibility = 'org')`;
const COUNT = `(select count(*)::integer from bookmark b join captured_session s on s.uid = b.session_uid
  where b.folder_id = f.id and ${VISIBLE})`;
const FOLDER = `f.id, f.name, f.color, ${COUNT} as "bookmarkCount", f.created_at as "createdAt"`;

/** Every query on bookmarks and their folders. */
@Injectable()
export class BookmarksRepository {
  constructor(private readonly db: Database) {}

  /** False when the owner has `limit` of them already; waits for others that the owner is just making. */
  async insertFolder(
    owner: SessionOwner,
    folder: Omit<BookmarkFolder, 'bookmarkCount'>,
    limit: number,
  ): Promise<boolean> {
    await this.db.query(`select pg_advisory_xact_lock(hashtextextended('bookmark_folder ' || $1 || ' ' || $2, 0))`, [
      owner.accountId,
      owner.userId,
    ]);
    const rows = await this.db.query(
      `insert into bookmark_folder (id, account_id, user_id, name, color, created_at)
       select $3, $1, $2, $4, $5, $6 where (select count(*) from bookmark_folder f where ${OWN}) < $7 returning 1`,
      [owner.accountId, owner.userId, folder.id, folder.name, folder.color, folder.createdAt, limit],
    );
    return rows.length > 0;
  }

  /** Oldest first. */
  listFolders({ accountId, userId }: SessionOwner): Promise<BookmarkFolder[]> {
    return this.db.query<BookmarkFolder>(
      `select ${FOLDER} from bookmark_folder f where ${OWN} order by f.created_at, f.id`,
      [accountId, userId],
    );
  }

  async findFolder({ accountId, userId }: SessionOwner, id: string): Promise<BookmarkFolder | null> {
    const [row] = await this.db.query<BookmarkFolder>(
      `select ${FOLDER} from bookmark_folder f where ${OWN} and f.id = $3`,
      [accountId, userId, id],
    );
    return row ?? null;
  }

  /** Keeps the folder until the transaction ends; false when the owner has none of that id. */
  async holdFolder({ accountId, userId }: SessionOwner, id: string): Promise<boolean> {
    const rows = await this.db.query(`select 1 from bookmark_folder f where ${OWN} and f.id = $3 for update`, [
      accountId,
      userId,
      id,
    ]);
    return rows.length > 0;
  }

  async changeFolder(id: string, change: { readonly name?: string; readonly color?: string | null }): Promise<void> {
    await this.db.query(
      'update bookmark_folder set name = coalesce($2, name), color = case when $3 then $4 else color end where id = $1',
      [id, change.name ?? null, change.color !== undefined, change.color ?? null],
    );
  }

  /** With the bookmarks in it. */
  async removeFolder(id: string): Promise<void> {
    await this.db.query('delete from bookmark_folder where id = $1', [id]);
  }

  /** False when the folder has the session already. */
  async insert({ id, folderId, sessionUid, createdAt }: Bookmark): Promise<boolean> {
    const rows = await this.db.query(
      `insert into bookmark (id, folder_id, session_uid, created_at) values ($1, $2, $3, $4)
       on conflict on constraint bookmark_once do nothing returning 1`,
      [id, folderId, sessionUid, createdAt],
    );
    return rows.length > 0;
  }

  /** What was taken away; null when the owner has no such bookmark. */
  async remove({ accountId, userId }: SessionOwner, id: string): Promise<Bookmark | null> {
    const [row] = await this.db.query<Bookmark>(
      `delete from bookmark b using bookmark_folder f where f.id = b.folder_id and ${OWN} and b.id = $3
       returning b.id, b.folder_id as "folderId", b.session_uid as "sessionUid", b.created_at as "createdAt"`,
      [accountId, userId, id],
    );
    return row ?? null;
  }

  /** Newest bookmark first, sessions in the trash included; one more than `limit`. */
  listSessions(folderId: string, after: BookmarkPlace | null, limit: number): Promise<BookmarkedSession[]> {
    return this.db.query<BookmarkedSession>(
      `select ${SESSION_COLUMNS}, b.id as "bookmarkId", b.created_at as "bookmarkedAt"
         from bookmark b join bookmark_folder f on f.id = b.folder_id join (${SESSION_TABLES}) on s.uid = b.session_uid
        where b.folder_id = $1 and ${VISIBLE} and ($2::timestamptz is null or (b.created_at, b.id) < ($2, $3::uuid))
        order by b.created_at desc, b.id desc limit $4`,
      [folderId, after?.bookmarkedAt ?? null, after?.id ?? null, limit + 1],
    );
  }
}
