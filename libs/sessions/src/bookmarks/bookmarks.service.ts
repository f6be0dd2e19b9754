import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock, DomainError, isUuid } from '#kernel';
import { Audit, Database, Events, type Principal } from '#platform';
import { type CapturedSession, isSessionId, sessionNotFound } from '../captured-session.js';
import { SessionsRepository } from '../sessions.repository.js';
import { SessionsService } from '../sessions.service.js';
import {
  type Bookmark,
  type BookmarkedSession,
  type BookmarkFolder,
  type BookmarkPlace,
  BookmarksRepository,
} from './bookmarks.repository.js';

const MAX_FOLDERS = 500;

export interface BookmarkPage {
  readonly sessions: readonly BookmarkedSession[];
  readonly total: number;
  readonly hasMore: boolean;
}

export interface BookmarkFolderChange {
  readonly name?: string;
  readonly color?: string | null;
}

/** Folders in which people keep the sessions they come back to (sessionfs-1.md §12); nobody else sees them. */
@Injectable()
export class BookmarksService {
  constructor(
    private readonly db: Database,
    private readonly bookmarks: BookmarksRepository,
    private readonly sessions: SessionsService,
    private readonly rows: SessionsRepository,
    private readonly events: Events,
    private readonly audit: Audit,
    private readonly clock: Clock,
  ) {}

  /** Errors: `conflict` beyond 500 folders. */
  createFolder(caller: Principal, { name, color }: { name: string; color: string | null }): Promise<BookmarkFolder> {
    const folder = { id: randomUUID(), name, color, createdAt: this.clock.date() };
    return this.db.transaction(async () => {
      if (!(await this.bookmarks.insertFolder(caller, folder, MAX_FOLDERS))) {
        throw new DomainError('conflict', `Maximum ${MAX_FOLDERS} folders`, { reason: 'bookmark_folder_limit' });
      }
      await this.record(caller, 'bookmark_folder.created', folder.id, { name });
      return { ...folder, bookmarkCount: 0 };
    });
  }

  /** Oldest first. */
  listFolders(caller: Principal): Promise<BookmarkFolder[]> {
    return this.bookmarks.listFolders(caller);
  }

  /** Errors: `not_found`. */
  changeFolder(caller: Principal, folderId: string, change: BookmarkFolderChange): Promise<BookmarkFolder> {
    return this.db.transaction(async () => {
      await this.holdFolder(caller, folderId);
      await this.bookmarks.changeFolder(folderId, change);
      await this.record(caller, 'bookmark_folder.changed', folderId, { ...change });
      return this.getFolder(caller, folderId);
    });
  }

  /** With its bookmarks; the sessions stay. Errors: `not_found`. */
  removeFolder(caller: Principal, folderId: string): Promise<void> {
    return this.db.transaction(async () => {
      await this.holdFolder(caller, folderId);
      await this.bookmarks.removeFolder(folderId);
      await this.record(caller, 'bookmark_folder.deleted', folderId);
    });
  }

  /** A live session the caller may read. Errors: `not_found`, `conflict` when the folder has it already. */
  add(
    caller: Principal,
    folderId: string,
    sessionId: string,
  ): Promise<{ bookmark: Bookmark; session: CapturedSession }> {
    return this.db.transaction(async () => {
      await this.holdFolder(caller, folderId);
      if (!isSessionId(sessionId)) throw sessionNotFound();
      const session = await this.sessions.get(caller, sessionId);
      if (!(await this.rows.holdLive(session.uid))) throw sessionNotFound();
      const bookmark = { id: randomUUID(), folderId, sessionUid: session.uid, createdAt: this.clock.date() };
      if (!(await this.bookmarks.insert(bookmark))) {
        throw new DomainError('conflict', 'Session already bookmarked in this folder');
      }
      await this.record(caller, 'bookmark.created', folderId, { bookmark_id: bookmark.id, session_uid: session.uid });
      return { bookmark, session };
    });
  }

  /** Errors: `not_found`. */
  remove(caller: Principal, bookmarkId: string): Promise<void> {
    return this.db.transaction(async () => {
      const removed = isUuid(bookmarkId) ? await this.bookmarks.remove(caller, bookmarkId) : null;
      if (!removed) throw new DomainError('not_found', 'Bookmark not found');
      const { id, folderId, sessionUid } = removed;
      await this.record(caller, 'bookmark.deleted', folderId, { bookmark_id: id, session_uid: sessionUid });
    });
  }

  /** Newest bookmark first; sessions in the trash are among them and say so. Errors: `not_found`. */
  async listSessions(
    caller: Principal,
    folderId: string,
    after: BookmarkPlace | null,
    limit: number,
  ): Promise<BookmarkPage> {
    const { bookmarkCount: total } = await this.getFolder(caller, folderId);
    const rows = await this.bookmarks.listSessions(folderId, after, limit);
    return { sessions: rows.slice(0, limit), total, hasMore: rows.length > limit };
  }

  /** Nobody changes or deletes it until the transaction ends. Errors: `not_found`. */
  private async holdFolder(caller: Principal, folderId: string): Promise<void> {
    if (!isUuid(folderId) || !(await this.bookmarks.holdFolder(caller, folderId))) throw folderNotFound();
  }

  private async getFolder(caller: Principal, folderId: string): Promise<BookmarkFolder> {
    const folder = isUuid(folderId) ? await this.bookmarks.findFolder(caller, folderId) : null;
    if (!folder) throw folderNotFound();
    return folder;
  }

  /** `event` is `resource.happened`; the audit names it alike. */
  private async record(
    caller: Principal,
    event: string,
    folderId: string,
    facts: Record<string, unknown> = {},
  ): Promise<void> {
    const subject = { accountId: caller.accountId, kind: 'bookmark_folder', id: folderId };
    await this.events.record(event, subject, facts);
    await this.audit.record(caller, event, subject, facts);
  }
}

const folderNotFound = (): DomainError => new DomainError('not_found', 'Folder not found');
