import { timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { DomainError } from '#kernel';
import { Authenticator, dialectOf, type PinnedSessionUse, type Principal } from '#platform';
import { presentedSessionId } from './http/session-header.js';
import { ActedForAccounts } from './keys/acted-for.js';
import { KeyPassport } from './keys/key-passport.js';
import { KeyUses } from './keys/key-uses.js';
import { Pepper } from './keys/pepper.js';
import { LiveSessions } from './pinned-sessions/live-sessions.js';
import { covers, hasSessionPrefix, type PinnedSession } from './pinned-sessions/pinned-session.js';
import { deadSession } from './pinned-sessions/pinned-sessions.service.js';

/** The platform's Authenticator: pinned sessions and keys in headers, turned to the account the request names. */
@Injectable()
export class KeyAuthenticator extends Authenticator {
  constructor(
    private readonly passport: KeyPassport,
    private readonly accounts: ActedForAccounts,
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
    const account = request.headers['x-account'];
    const isNamed = account === undefined || account === session?.principal.accountSlug;
    if (session && isNamed && keys.every((key) => this.opened(session, key))) return this.pinned(session);
    const principal = await this.byKey(request);
    if (!principal && session) throw otherAccount();
    if (!principal && !isCapability) throw deadSession();
    if (session && principal && covers(principal, session.principal)) return this.pinned(session);
    return principal;
  }

  /**
   * The key's principal, acting for the account the request names: by X-Account, which must be one of its own, or by
   * the first segment of a git URL, where to any other account it is a stranger.
   */
  private async byKey(request: Request): Promise<Principal | null> {
    const principal = await this.passport.authenticate(request, request.res!);
    const named = request.headers['x-account'];
    if (!principal || Array.isArray(named)) return principal;
    if (named !== undefined) return this.accounts.turnOrRefuse(principal, named);
    const owner = dialectOf(request).name === 'plain' ? request.params['account'] : undefined;
    return (typeof owner === 'string' && (await this.accounts.turn(principal, owner))) || principal;
  }

  private opened(session: PinnedSession, key: string): boolean {
    return timingSafeEqual(this.pepper.digest(key), session.keyDigest);
  }

  private pinned(session: PinnedSession): Principal {
    this.sessions.touch(session);
    return session.principal;
  }
}

function otherAccount(): DomainError {
  return new DomainError('forbidden', 'This session does not act for the account named in X-Account', {
    field: 'X-Account',
  });
}
