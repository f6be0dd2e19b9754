import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { base62, Clock, DomainError } from '#kernel';
import { AppConfig, Audit, brokenConstraint, Database, Events, sqlState, UNIQUE_VIOLATION } from '#platform';
import type { Account, User } from './account.js';
import { slugFromEmail } from './account-slug.js';
import { USER_CREATED } from './accounts.events.js';
import { AccountsRepository } from './accounts.repository.js';

export interface NewUser {
  readonly email: string;
  readonly isAdmin?: boolean;
  readonly emailVerified?: boolean;
}

/** People and their personal accounts. */
@Injectable()
export class UsersService {
  constructor(
    private readonly db: Database,
    private readonly accounts: AccountsRepository,
    private readonly events: Events,
    private readonly audit: Audit,
    private readonly clock: Clock,
    private readonly config: AppConfig,
  ) {}

  /**
   * Creates a user with a personal account of DEFAULT_TIER, its slug made from the e-mail. The address is trimmed and
   * lowercased by the caller. Errors: `conflict` when the e-mail is taken.
   */
  async create(input: NewUser): Promise<{ user: User; account: Account }> {
    return this.db.transaction(async () => {
      if (await this.accounts.findUserByEmail(input.email)) throw emailTaken();
      const account = await this.createAccount(input.email);
      const user: User = {
        id: randomUUID(),
        accountId: account.id,
        email: input.email,
        emailVerified: input.emailVerified ?? false,
        displayName: null,
        isAdmin: input.isAdmin ?? false,
        isActive: true,
        createdAt: this.clock.date(),
      };
      await this.insertUser(user);
      await this.events.record(USER_CREATED, { accountId: account.id, kind: 'user', id: user.id });
      await this.audit.record(null, 'user.create', { accountId: account.id, kind: 'user', id: user.id });
      return { user, account };
    });
  }

  async get(userId: string): Promise<User> {
    const user = await this.accounts.findUser(userId);
    if (!user) throw new DomainError('not_found', 'User not found');
    return user;
  }

  find(userId: string): Promise<User | null> {
    return this.accounts.findUser(userId);
  }

  /** The address in lowercase, as users are kept. */
  findByEmail(email: string): Promise<User | null> {
    return this.accounts.findUserByEmail(email);
  }

  /** Somebody who may say so has said that the address is this person's. */
  async confirmEmail(user: Pick<User, 'id' | 'accountId'>, by: string): Promise<void> {
    await this.db.transaction(async () => {
      await this.accounts.confirmEmail(user.id);
      const subject = { accountId: user.accountId, kind: 'user', id: user.id };
      await this.audit.record(null, 'user.email_confirmed', subject, { by });
    });
  }

  private async createAccount(email: string): Promise<Account> {
    const id = randomUUID();
    for (let suffix = ''; ; suffix = base62(8).toLowerCase()) {
      const slug = slugFromEmail(email, suffix);
      const account: Account = { id, kind: 'personal', slug, tier: this.config.DEFAULT_TIER };
      if (await this.accounts.insertAccount(account)) return account;
    }
  }

  private async insertUser(user: User): Promise<void> {
    try {
      await this.accounts.insertUser(user);
    } catch (error) {
      if (sqlState(error) === UNIQUE_VIOLATION && brokenConstraint(error) === 'app_user_email_key') throw emailTaken();
      throw error;
    }
  }
}

function emailTaken(): DomainError {
  return new DomainError('conflict', 'Email already registered');
}
