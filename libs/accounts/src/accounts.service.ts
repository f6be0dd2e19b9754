import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import type { Account } from './account.js';
import { AccountsRepository } from './accounts.repository.js';

/** Look-ups of accounts for other libs. */
@Injectable()
export class AccountsService {
  constructor(private readonly accounts: AccountsRepository) {}

  async get(accountId: string): Promise<Account> {
    const account = await this.accounts.findAccount(accountId);
    if (!account) throw new DomainError('not_found', 'Account not found');
    return account;
  }

  /** By its present slug or a former one: addresses written down before a renaming keep working. */
  findBySlug(slug: string): Promise<Account | null> {
    return this.accounts.findAccountBySlug(slug);
  }

  /** True once a platform administrator exists; takes the bootstrap lock until the transaction ends. */
  async hasAdminLocked(): Promise<boolean> {
    await this.accounts.lockBootstrap();
    return this.accounts.hasAdmin();
  }
}
