import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { VerifiedEmail } from '#accounts';
import { Clock, isUuid } from '#kernel';
import { Database, type Principal } from '#platform';
import type { CapturedSession } from '../captured-session.js';
import { SessionJournal } from '../session-journal.js';
import { SESSION_SHARED, SESSION_UNSHARED } from '../sessions.events.js';
import { SessionsService } from '../sessions.service.js';
import { newShareToken, type ShareLink, shareLinkNotFound, tokenDigest } from './share-link.js';
import { type ShareLinkPlace, ShareLinksRepository } from './share-links.repository.js';
import { SharePasswords } from './share-passwords.js';

const HOUR_MS = 3_600_000;

export interface NewShare {
  readonly expiresInHours: number;
  readonly password: string | null;
}

export interface ShareLinkPage {
  readonly links: readonly ShareLink[];
  readonly hasMore: boolean;
}

/** Share links as the owner of a session makes, lists and revokes them (sessionfs-1.md §7.10). */
@Injectable()
export class ShareLinksService {
  constructor(
    private readonly db: Database,
    private readonly sessions: SessionsService,
    private readonly links: ShareLinksRepository,
    private readonly passwords: SharePasswords,
    private readonly verified: VerifiedEmail,
    private readonly journal: SessionJournal,
    private readonly clock: Clock,
  ) {}

  /** The token is told this once. Errors: `not_found`, `forbidden` for an unproven address. */
  async create(
    caller: Principal,
    name: string,
    { expiresInHours, password }: NewShare,
  ): Promise<{ link: ShareLink; token: string }> {
    await this.verified.assertOf(caller);
    const passwordHash = password === null ? null : await this.passwords.hash(password);
    const token = newShareToken();
    return this.db.transaction(async () => {
      const session = await this.sessions.getOwnLocked(caller, name);
      const createdAt = this.clock.date();
      const expiresAt = new Date(createdAt.getTime() + expiresInHours * HOUR_MS);
      const link = { id: randomUUID(), sessionUid: session.uid, passwordHash, createdAt, expiresAt };
      await this.links.insert({ ...link, tokenDigest: tokenDigest(token) ?? '', createdBy: caller.userId });
      await this.journal.record(
        caller,
        session,
        { event: SESSION_SHARED, action: 'session.share' },
        { link_id: link.id, expires_at: expiresAt.toISOString(), has_password: passwordHash !== null },
      );
      return { link: { ...link, revokedAt: null, viewCount: 0, lastViewedAt: null }, token };
    });
  }

  /** Newest first, those that are over included. Errors: `not_found`. */
  async list(caller: Principal, name: string, after: ShareLinkPlace | null, limit: number): Promise<ShareLinkPage> {
    const session = await this.sessions.getOwnAnyState(caller, name);
    const rows = await this.links.list(session.uid, after, limit);
    return { links: rows.slice(0, limit), hasMore: rows.length > limit };
  }

  /** Ends a link at once; again does nothing. Errors: `not_found`. */
  async revoke(caller: Principal, name: string, linkId: string): Promise<void> {
    await this.db.transaction(async () => {
      const session = await this.sessions.getOwnAnyState(caller, name);
      if (!isUuid(linkId) || !(await this.links.findOf(session.uid, linkId))) throw shareLinkNotFound();
      await this.end(caller, session, linkId);
    });
  }

  /** Ends every link of a session, in the caller's transaction: what comes out of the trash is shared with nobody. */
  revokeAll(caller: Principal, session: CapturedSession): Promise<void> {
    return this.end(caller, session, null);
  }

  private async end(caller: Principal, session: CapturedSession, linkId: string | null): Promise<void> {
    for (const ended of await this.links.revoke(session.uid, linkId, this.clock.date())) {
      const change = { event: SESSION_UNSHARED, action: 'session.unshare' };
      await this.journal.record(caller, session, change, { link_id: ended });
    }
  }
}
