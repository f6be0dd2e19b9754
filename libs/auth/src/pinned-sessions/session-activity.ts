import { AsyncLocalStorage } from 'node:async_hooks';
import { type BeforeApplicationShutdown, Injectable, Logger } from '@nestjs/common';
import { expiryOf, type PinnedSession, writeBehindMs } from './pinned-session.js';
import { PinnedSessionsRepository } from './pinned-sessions.repository.js';

const RETRY_MS = 1_000;

/** Writes slid expiries behind the requests that slid them, all that wait in one statement. */
@Injectable()
export class SessionActivity implements BeforeApplicationShutdown {
  private readonly log = new Logger(SessionActivity.name);
  private waiting = new Map<string, PinnedSession>();
  private writing = new Map<string, PinnedSession>();
  private timer: NodeJS.Timeout | undefined;
  private dueAt = Infinity;
  /** The timer must not run as part of the request that started it: its statement is not that request's. */
  private readonly outside = AsyncLocalStorage.snapshot();

  constructor(private readonly sessions: PinnedSessionsRepository) {}

  async beforeApplicationShutdown(): Promise<void> {
    await this.flush();
    clearTimeout(this.timer);
  }

  /** Remembers that the session was used at `now`. */
  note(session: PinnedSession, now: number): void {
    const savedExpiry = expiryOf({ ...session, lastActivityAt: session.savedAt });
    session.lastActivityAt = Math.max(session.lastActivityAt, now);
    this.waiting.set(session.id, session);
    const delay = writeBehindMs(session.ttlMs);
    // Other nodes see the saved expiry: close to it they must not have to wait for the slide.
    this.schedule(savedExpiry - now <= delay ? 0 : delay);
  }

  /** The session's last use that may not be in the database yet; 0 when all is written. */
  lastUse(sessionId: string): number {
    const waiting = this.waiting.get(sessionId)?.lastActivityAt ?? 0;
    return Math.max(waiting, this.writing.get(sessionId)?.lastActivityAt ?? 0);
  }

  private schedule(delayMs: number): void {
    const dueAt = performance.now() + delayMs;
    if (dueAt >= this.dueAt) return;
    clearTimeout(this.timer);
    this.dueAt = dueAt;
    this.outside(() => {
      this.timer = setTimeout(() => void this.flush(), delayMs).unref();
    });
  }

  private async flush(): Promise<void> {
    clearTimeout(this.timer);
    this.dueAt = Infinity;
    if (this.writing.size > 0) return this.schedule(RETRY_MS);
    if (this.waiting.size === 0) return;
    this.writing = this.waiting;
    this.waiting = new Map();
    const batch = [...this.writing.values()].map((session) => ({ session, at: session.lastActivityAt }));
    try {
      await this.sessions.saveActivity(batch.map(({ session, at }) => ({ id: session.id, at: new Date(at) })));
      for (const { session, at } of batch) session.savedAt = Math.max(session.savedAt, at);
      this.writing = new Map();
    } catch (error) {
      this.log.warn({ msg: 'slid sessions could not be written; kept for the next round', err: error });
      this.waiting = new Map([...this.writing, ...this.waiting]);
      this.writing = new Map();
      this.schedule(RETRY_MS);
    }
  }
}
