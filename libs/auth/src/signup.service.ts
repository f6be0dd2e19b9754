import { Injectable } from '@nestjs/common';
import { InvitesService, type User, UsersService } from '#accounts';
import { DomainError } from '#kernel';
import { AppConfig, Database, Mail } from '#platform';
import type { MintedKey } from './keys/key.js';
import { KeysService } from './keys/keys.service.js';
import { VerificationService } from './verification/verification.service.js';

export interface SignedUp {
  readonly user: User;
  readonly minted: MintedKey;
  /** Whether the link reaches the address; without a mail server it is only written to a folder of this one. */
  readonly isLinkMailed: boolean;
}

/** Sign-up: one transaction makes the user, the personal account, the first key and the mail that verifies the address. */
@Injectable()
export class SignupService {
  constructor(
    private readonly db: Database,
    private readonly users: UsersService,
    private readonly invites: InvitesService,
    private readonly keys: KeysService,
    private readonly verification: VerificationService,
    private readonly mail: Mail,
    private readonly config: AppConfig,
  ) {}

  /**
   * Errors: `forbidden` with reason `signup_closed`, where only invited addresses are let in unless this is one;
   * `conflict` when the address is taken.
   */
  async signUp(email: string): Promise<SignedUp> {
    await this.assertOpenTo(email);
    return this.db.transaction(async () => {
      const { user } = await this.users.create({ email });
      const minted = await this.keys.mint(user, { name: 'default' });
      await this.verification.mailLink(user);
      return { user, minted, isLinkMailed: this.mail.reachesPeople };
    });
  }

  private async assertOpenTo(email: string): Promise<void> {
    if (this.config.signup === 'open') return;
    if (this.config.signup === 'invite' && (await this.invites.hasLiveInvite(email))) return;
    const message =
      this.config.signup === 'invite'
        ? 'Sign-up on this server takes an invite to this address'
        : 'Sign-up is not open on this server';
    throw new DomainError('forbidden', message, { reason: 'signup_closed' });
  }
}
