import { Injectable, Logger } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Clock } from '#kernel';
import { type Revocation, Revocations } from '#platform';
import { Pepper } from '../keys/pepper.js';
import { concerns } from '../keys/principals.js';
import { isSessionId, isUsable, type PinnedSession } from './pinned-session.js';
import { PinnedSessionsRepository } from './pinned-sessions.repository.js';
import { SessionActivity } from './session-activity.js';
import { SessionLifecycle } from './session-lifecycle.js';

const MAX_REMEMBERED = 10_000;

/** The sessions this node knows by the ids clients hold. A hit costs no query; every doubt is settled by the row. */
@Injectable()
export class LiveSessions {
  private readonly log = new Logger(LiveSessions.name);
  private readonly live = new LRUCache<string, PinnedSession>({ max: MAX_REMEMBERED });
  /** Ids that are dead for good: never issued, or ended. Expired ones are not, another node may have slid them. */
  private readonly dead = new LRUCache<string, true>({ max: MAX_REMEMBERED });

  constructor(
    private readonly sessions: PinnedSessionsRepository,
    private readonly activity: SessionActivity,
    private readonly lifecycle: SessionLifecycle,
    private readonly revocations: Revocations,
    private readonly pepper: Pepper,
    private readonly clock: Clock,
  ) {
    revocations.onRevocation((revocation) => this.forget(revocation));
    lifecycle.onEnd((sessionId) => this.drop((session) => session.id === sessionId));
  }

  /** The session when it can be trusted without asking the database. */
  peek(rawId: string): PinnedSession | null {
    const session = this.revocations.isFresh ? this.live.get(rawId) : undefined;
    return session && isUsable(session, this.clock.now()) ? session : null;
  }

  /** The session when it is accepted now, whichever node opened or slid it. */
  async find(rawId: string): Promise<PinnedSession | null> {
    if (!isSessionId(rawId) || this.dead.has(rawId)) return null;
    return this.peek(rawId) ?? this.load(rawId);
  }

  /** The session with its last use, ended or not, for those who manage it; null for an id never issued. */
  async read(rawId: string): Promise<PinnedSession | null> {
    if (!isSessionId(rawId)) return null;
    const session = await this.sessions.findByDigest(this.pepper.digest(rawId), this.clock.date());
    if (session) session.lastActivityAt = Math.max(session.lastActivityAt, this.activity.lastUse(session.id));
    return session;
  }

  /** Counts a use: slides the expiry of a session that is extended by them. */
  touch(session: PinnedSession): void {
    this.activity.note(session, this.clock.now());
  }

  private async load(rawId: string): Promise<PinnedSession | null> {
    const { answer: session, askedAt } = await this.revocations.current(() => this.read(rawId));
    if (session && isUsable(session, this.clock.now())) {
      const wasRevoked = (revocation: Revocation): boolean => isConcerned(revocation, session);
      if (!this.revocations.sawSince(askedAt, wasRevoked)) this.live.set(rawId, session);
      return session;
    }
    this.live.delete(rawId);
    if (session) await this.recordEnd(session);
    if (!session || session.endReason) this.dead.set(rawId, true);
    return null;
  }

  /** So that it stays ended, e.g. when the tier rises again. A refusal must not wait for it to succeed. */
  private async recordEnd({ id, principal, endReason }: PinnedSession): Promise<void> {
    if (endReason === null) return;
    try {
      await this.lifecycle.end(id, principal.accountId, endReason);
    } catch (error) {
      this.log.warn({ msg: 'the end of a pinned session could not be recorded', session: id, err: error });
    }
  }

  private forget(revocation: Revocation): void {
    this.drop((session) => isConcerned(revocation, session));
  }

  private drop(matches: (session: PinnedSession) => boolean): void {
    for (const [rawId, session] of this.live.entries()) if (matches(session)) this.live.delete(rawId);
  }
}

function isConcerned(revocation: Revocation, session: PinnedSession): boolean {
  const endsItsKey = revocation.kind === 'key' && revocation.subjectId === session.currentKeyId;
  return endsItsKey || concerns(revocation, session.principal);
}
