import type { Request } from 'express';
import type { PinnedSessionUse } from './access-rule.js';
import type { Principal } from './principal.js';

/** Turns the credentials of a request into a principal; implemented by the auth lib. */
export abstract class Authenticator {
  /**
   * Null when the request carries no credential at all (for `capability`: none that is alive).
   * @throws DomainError `unauthorized` for an unknown, revoked or expired credential, or two that disagree.
   */
  abstract authenticate(request: Request, pinnedSession: PinnedSessionUse): Promise<Principal | null>;
}
