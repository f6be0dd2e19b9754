import { Injectable, Logger, type OnApplicationBootstrap, type BeforeApplicationShutdown } from '@nestjs/common';
import { DomainError } from '#kernel';
import { Database } from '../database/database.js';

export interface Revocation {
  readonly seq: string;
  readonly kind: 'key' | 'user' | 'account' | 'pinned_session';
  readonly subjectId: string;
}

const POLL_MS = 400;
const STALE_MS = 900;
const OVERLAP_SECONDS = 30;
const READ_TRIES = 3;

/**
 * Follows the revocation log. Each node polls it over an overlapping 30 s window (rows of slow transactions appear
 * late); a node that has not polled well for 900 ms says so, and its caches count as empty.
 */
@Injectable()
export class Revocations implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger(Revocations.name);
  private readonly listeners: ((revocation: Revocation) => void)[] = [];
  /** Recently seen rows with the time we saw them: a look-up that began earlier may not be cached. */
  private readonly seen = new Map<string, Revocation & { seenAt: number }>();
  private lastGoodPoll = 0;
  private timer: NodeJS.Timeout | undefined;
  private polling: Promise<void> | undefined;
  private isStopped = false;

  constructor(private readonly db: Database) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.poll();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.isStopped = true;
    clearTimeout(this.timer);
    await this.polling;
  }

  onRevocation(listener: (revocation: Revocation) => void): void {
    this.listeners.push(listener);
  }

  /** False when this node may have missed a revocation; nothing cached may be trusted then. */
  get isFresh(): boolean {
    return performance.now() - this.lastGoodPoll < STALE_MS;
  }

  /** True when something matching was revoked since `since` (performance.now() milliseconds). */
  sawSince(since: number, matches: (revocation: Revocation) => boolean): boolean {
    for (const revocation of this.seen.values()) if (revocation.seenAt >= since && matches(revocation)) return true;
    return false;
  }

  /**
   * What `read` answers, with the moment it was asked. An answer that was longer on its way than a node may be behind
   * could tell of what has ended since, so it is asked for again. Errors: `unavailable`.
   */
  async current<Answer>(read: () => Promise<Answer>): Promise<{ answer: Answer; askedAt: number }> {
    for (let tries = 0; tries < READ_TRIES; tries += 1) {
      const askedAt = performance.now();
      const answer = await read();
      if (performance.now() - askedAt < STALE_MS) return { answer, askedAt };
    }
    throw new DomainError('unavailable', 'Credentials cannot be verified at the moment', {
      reason: 'credentials_unverifiable',
      headers: { 'Retry-After': '1' },
    });
  }

  /**
   * Records that what nodes know of the subject is no longer true; belongs into the transaction of the change. This
   * node forgets as soon as it is committed, before its caller is answered, the others by their next poll.
   */
  async append(kind: Revocation['kind'], ...subjectIds: readonly string[]): Promise<void> {
    if (subjectIds.length === 0) return;
    const rows = await this.db.query<Revocation>(
      `insert into revocation (kind, subject_id) select $1::text, unnest($2::text[])
       returning seq::text, kind, subject_id as "subjectId"`,
      [kind, subjectIds],
    );
    await this.db.afterCommit(() => {
      for (const row of rows) this.take(row);
    });
  }

  private async poll(): Promise<void> {
    const started = performance.now();
    // After an outage the window reaches back over all of it, or what was revoked meanwhile would never be seen.
    const windowSeconds = OVERLAP_SECONDS + Math.ceil((started - this.lastGoodPoll) / 1000);
    try {
      const rows = await this.db.query<Revocation>(
        `select seq::text, kind, subject_id as "subjectId" from revocation
          where at > now() - make_interval(secs => $1)`,
        [windowSeconds],
      );
      for (const row of rows) this.take(row);
      this.lastGoodPoll = started;
      this.forgetOld();
    } catch (error) {
      this.log.warn({ msg: 'revocations could not be polled', err: error });
    }
    if (this.isStopped) return;
    this.timer = setTimeout(() => {
      this.polling = this.poll();
    }, POLL_MS).unref();
  }

  private take(row: Revocation): void {
    if (this.seen.has(row.seq)) return;
    this.seen.set(row.seq, { ...row, seenAt: performance.now() });
    for (const listener of this.listeners) listener(row);
  }

  private forgetOld(): void {
    for (const [seq, row] of this.seen) if (row.seenAt < performance.now() - 60_000) this.seen.delete(seq);
  }
}
