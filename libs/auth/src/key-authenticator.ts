import { Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { DomainError } from '#kernel';
import { Authenticator, type Principal } from '#platform';
import { KeyPassport } from './keys/key-passport.js';
import { KeyUses } from './keys/key-uses.js';

/** The platform's Authenticator: keys in headers, narrowed to the account the request names. */
@Injectable()
export class KeyAuthenticator extends Authenticator {
  constructor(
    private readonly passport: KeyPassport,
    private readonly uses: KeyUses,
  ) {
    super();
  }

  async authenticate(request: Request): Promise<Principal | null> {
    const principal = await this.passport.authenticate(request, request.res!);
    if (!principal) return null;
    this.uses.note(principal.keyId, request.ip ?? null);
    assertAccount(principal, request.headers['x-account']);
    return principal;
  }
}

/** `X-Account: slug` names the account a key acts for; so far a key has exactly one. */
function assertAccount(principal: Principal, wanted: string | string[] | undefined): void {
  if (wanted === undefined || wanted === principal.accountSlug) return;
  throw new DomainError('forbidden', 'This key does not act for the account named in X-Account', {
    field: 'X-Account',
  });
}
