import { timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { DomainError } from '#kernel';
import { Authenticator, type PinnedSessionUse, type Principal } from '#platform';
import { presentedSessionId } from './http/session-header.js';
import { KeyPassport } from './keys/key-passport.js';
import { KeyUses } from './keys/key-uses.js';
import { Pepper } from './keys/pepper.js';
import { LiveSessions } from './pinned-sessions/live-sessions.js';
import { covers, hasSessionPrefix, type PinnedSession } from './pinned-sessions/pinned-session.js';
import { deadSession } from './pinned-sessions/pinned-sessions.service.js';

/** The platform's Authenticator: pinned sessions and keys in headers, narrowed to the account the request names. */
@Injectable()
export class KeyAuthenticator extends Authenticator {
  constructor(
    private readonly passport: KeyPassport,
    private readonly sessions: LiveSessions,
    private readonly pepper: Pepper,
    private readonly uses: KeyUses,
  ) {
    super();
  }

  async authenticate(request: Request, pinnedSession: PinnedSessionUse): Promise<Principal | null> {
    const rawId = pinnedSession === 'ignore' ? null : presentedSessionId(request);
    const principal =
      rawId === null ? await this.byKey(request) : await this.bySession(request, rawId, pinnedSession === 'capability');
    if (!principal) return null;
    this.uses.note(principal.keyId, request.ip ?? null);
    assertAccount(principal, request.headers['x-account']);
    return principal;
  }

  /**
   * The session's identity when its id comes alone, with its opening key (compared in memory), or with a valid key
   * that covers it. Otherwise the key acts as if no session were there; a dead id without a key is refused.
   */
  private async bySession(request: Request, rawId: string, isCapability: boolean): Promise<Principal | null> {
    if (!hasSessionPrefix(rawId)) throw new DomainError('bad_request', 'Invalid session ID format');
    const session = await this.sessions.find(rawId);
    const keys = this.passport.presented(request);
    if (session && keys.every((key) => this.opened(session, key))) return this.pinned(session);
    const principal = await this.byKey(request);
    if (!principal && !isCapability) throw deadSession();
    if (session && principal && covers(principal, session.principal)) return this.pinned(session);
    return principal;
  }

  private byKey(request: Request): Promise<Principal | null> {
    return this.passport.authenticate(request, request.res!);
  }

  private opened(session: PinnedSession, key: string): boolean {
    return timingSafeEqual(this.pepper.digest(key), session.keyDigest);
  }

  private pinned(session: PinnedSession): Principal {
    this.sessions.touch(session);
    return session.principal;
  }
}

/** `X-Account: slug` names the account a key acts for; so far a key has exactly one. */
function assertAccount(principal: Principal, wanted: string | string[] | undefined): void {
  if (wanted === undefined || wanted === principal.accountSlug) return;
  throw new DomainError('forbidden', 'This key does not act for the account named in X-Account', {
    field: 'X-Account',
  });
}
