import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { entitlementsOf } from '#accounts';
import { Clock, DomainError } from '#kernel';
import type { Principal } from '#platform';
import { Pepper } from '../keys/pepper.js';
import { LiveSessions } from './live-sessions.js';
import { appliedTtlSeconds, expiryOf, hasSessionPrefix, newSessionId, type PinnedSession } from './pinned-session.js';
import { SessionLifecycle } from './session-lifecycle.js';
import { type Flushed, TrackedWrites } from './tracked-writes.js';

export interface OpenedSession {
  /** What the client sends from now on; the server keeps only its digest. */
  readonly rawId: string;
  readonly expiresAt: Date;
  readonly ttlSeconds: number;
  readonly idleExtend: boolean;
}

/** Who wants to manage which session: a credential of its account, or nothing but the id itself in X-Session-Id. */
export interface SessionAccess {
  readonly rawId: string;
  readonly caller: Principal | null;
  readonly presentedId: string | null;
}

export interface SessionStatus {
  /** Objects and refs the session wrote that the ref files do not show yet. */
  readonly objectCount: number;
  readonly createdAt: number;
  readonly lastActivityAt: number;
  /** Ended by anything but its own expiry, which shows as a negative `ttlMs`. */
  readonly closed: boolean;
  /** Milliseconds until expiry. */
  readonly ttlMs: number;
}

/** Opens, shows, flushes and closes pinned sessions (seed 000, coregit.md §3). */
@Injectable()
export class PinnedSessionsService {
  constructor(
    private readonly lifecycle: SessionLifecycle,
    private readonly live: LiveSessions,
    private readonly writes: TrackedWrites,
    private readonly pepper: Pepper,
    private readonly clock: Clock,
  ) {}

  /** Pins the caller. `ttlSeconds` is as the client sent it: anything unusable means the default, too much the cap. */
  async open(caller: Principal, input: { ttlSeconds: unknown; idleExtend: unknown }): Promise<OpenedSession> {
    const ttlSeconds = appliedTtlSeconds(input.ttlSeconds, entitlementsOf(caller.tier).pinnedSessionSeconds);
    const idleExtend = input.idleExtend !== false;
    const rawId = newSessionId();
    const createdAt = this.clock.date();
    const expiresAt = new Date(createdAt.getTime() + ttlSeconds * 1000);
    const { keyId, userId, accountId, tier } = caller;
    const identity = { keyId, userId, accountId, tier, scopes: [...caller.scopes] };
    const session = { id: randomUUID(), digest: this.pepper.digest(rawId), ...identity, ttlSeconds, idleExtend };
    // Once it is committed: the first request after this one shall be a hit already.
    const warmUp = async (): Promise<void> => void (await this.live.find(rawId));
    await this.lifecycle.begin(caller, { ...session, createdAt, expiresAt }, warmUp);
    return { rawId, expiresAt, ttlSeconds, idleExtend };
  }

  /** Without a query when the session is live on this node; also for ended sessions. Errors: those of `flush`. */
  async status(access: SessionAccess): Promise<SessionStatus> {
    const known = this.live.peek(access.rawId);
    const session = await this.get(access, known);
    return {
      objectCount: known ? this.writes.countKnown(session.id) : await this.writes.count(session.id),
      createdAt: session.createdAt,
      lastActivityAt: session.lastActivityAt,
      closed: session.endReason !== null && session.endReason !== 'expired',
      ttlMs: expiryOf(session) - this.clock.now(),
    };
  }

  /**
   * Waits until everything the session wrote stands in the repositories' ref files too. Errors: `unauthorized`,
   * `bad_request` for what is no session id, `not_found`, also for a session of another account.
   */
  async flush(access: SessionAccess): Promise<Flushed> {
    const session = await this.get(access, this.live.peek(access.rawId));
    return this.writes.flush(session.id);
  }

  /** Ends the session on every node within a second, then flushes. Repeating it changes nothing. Errors: as `flush`. */
  async close(access: SessionAccess): Promise<Flushed> {
    const session = await this.get(access, this.live.peek(access.rawId));
    const actor = access.caller ?? session.principal;
    await this.lifecycle.end(session.id, session.principal.accountId, 'closed', actor);
    return this.writes.flush(session.id);
  }

  private async get(access: SessionAccess, known: PinnedSession | null): Promise<PinnedSession> {
    const { rawId, caller, presentedId } = access;
    if (!caller && presentedId !== rawId) throw unauthorized(presentedId);
    if (!hasSessionPrefix(rawId)) throw new DomainError('bad_request', 'Invalid session ID');
    const session = known ?? (await this.live.read(rawId));
    const isForeign = caller !== null && session?.principal.accountId !== caller.accountId;
    if (!session || isForeign) throw new DomainError('not_found', 'Session not found');
    return session;
  }
}

function unauthorized(presentedId: string | null): DomainError {
  if (presentedId !== null) return deadSession();
  return new DomainError('unauthorized', 'Missing API key. Set x-api-key header.');
}

/** The 401 of a session id that is not accepted (any more) and comes without a key. */
export function deadSession(): DomainError {
  return new DomainError('unauthorized', 'Session expired or invalid');
}
