import { Injectable } from '@nestjs/common';
import { type Account, AccountsService, Memberships, orgNotFound, type User, UsersService } from '#accounts';
import { Clock, DomainError } from '#kernel';
import { AppConfig, Database } from '#platform';
import type { MintedKey } from '../keys/key.js';
import { KeysService } from '../keys/keys.service.js';
import type { SsoIdentity } from './sso-connection.js';
import { SsoIdentitiesRepository } from './sso-identities.repository.js';

/** A key that a sign-in made, with whom it is for. */
export interface SsoKey {
  readonly minted: MintedKey;
  readonly user: User;
  /** What it acts for: the organisation whose provider vouched, else the person's own account. */
  readonly account: Account;
  readonly orgId: string | null;
}

const HOUR_MS = 3_600_000;

/** Mints the keys of sign-ins: bounded in time, and bound to the organisation whose provider vouched. */
@Injectable()
export class SsoKeys {
  constructor(
    private readonly db: Database,
    private readonly keys: KeysService,
    private readonly identities: SsoIdentitiesRepository,
    private readonly users: UsersService,
    private readonly accounts: AccountsService,
    private readonly memberships: Memberships,
    private readonly clock: Clock,
    private readonly config: AppConfig,
  ) {}

  /** Errors: `forbidden` when the identity was put to rest meanwhile. */
  mint(identityId: string): Promise<SsoKey> {
    return this.db.transaction(async () => {
      const identity = await this.identities.get(identityId);
      if (!identity?.isActive) throw new DomainError('forbidden', 'Your membership was ended');
      const user = await this.users.get(identity.userId);
      const account = await this.accounts.get(await this.accountOf(identity, user));
      const expiresAt = new Date(this.clock.now() + this.config.SSO_KEY_HOURS * HOUR_MS);
      const minted = await this.keys.mint(
        { id: user.id, accountId: account.id },
        { name: 'single sign-on', expiresAt, ssoIdentityId: identity.id },
      );
      return { minted, user, account, orgId: identity.orgId };
    });
  }

  private async accountOf({ orgId }: SsoIdentity, user: User): Promise<string> {
    if (orgId === null) return user.accountId;
    const org = await this.memberships.findOrg(orgId);
    if (!org) throw orgNotFound();
    return org.accountId;
  }
}
