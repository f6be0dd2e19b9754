import { Injectable } from '@nestjs/common';
import { type User, UsersService } from '#accounts';
import { DomainError } from '#kernel';
import { AppConfig, Database } from '#platform';
import type { MintedKey } from './keys/key.js';
import { KeysService } from './keys/keys.service.js';

/** Sign-up: one transaction makes the user, the personal account and the first key. */
@Injectable()
export class SignupService {
  constructor(
    private readonly db: Database,
    private readonly users: UsersService,
    private readonly keys: KeysService,
    private readonly config: AppConfig,
  ) {}

  /** Errors: `forbidden` unless SIGNUP is open; `conflict` when the address is taken. */
  async signUp(email: string): Promise<{ user: User; minted: MintedKey }> {
    if (this.config.signup !== 'open') {
      throw new DomainError('forbidden', 'Sign-up is not open on this server', { reason: 'signup_closed' });
    }
    return this.db.transaction(async () => {
      const { user } = await this.users.create({ email });
      return { user, minted: await this.keys.mint(user, { name: 'default' }) };
    });
  }
}
