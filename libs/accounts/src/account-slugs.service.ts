import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import { Audit, Database, Events, type Principal, Revocations } from '#platform';
import { isAccountSlug } from './account-slug.js';
import { ACCOUNT_RENAMED } from './accounts.events.js';
import { AccountsRepository } from './accounts.repository.js';

/** Names one account may ever hold: former ones stay with it for good, so nobody may collect them. */
const MAX_SLUGS = 20;

/** Renaming accounts, personal ones and those of organisations. */
@Injectable()
export class AccountSlugs {
  constructor(
    private readonly db: Database,
    private readonly accounts: AccountsRepository,
    private readonly events: Events,
    private readonly audit: Audit,
    private readonly revocations: Revocations,
  ) {}

  /**
   * Gives the account another slug; the old one keeps leading to it and goes to nobody else. Who may is for the caller
   * of this to know. Errors: `conflict` when the slug is reserved, taken, or one too many.
   */
  async rename(caller: Principal, accountId: string, slug: string): Promise<void> {
    await this.db.transaction(async () => {
      const account = await this.accounts.lockAccount(accountId);
      if (!account) throw new DomainError('not_found', 'Account not found');
      if (account.slug === slug) return;
      if (!isAccountSlug(slug) || !(await this.accounts.changeSlug(accountId, slug))) throw slugTaken(slug);
      if ((await this.accounts.countSlugs(accountId)) > MAX_SLUGS) throw tooManySlugs();
      const subject = { accountId, kind: 'account', id: accountId };
      const facts = { old_slug: account.slug, new_slug: slug };
      await this.events.record(ACCOUNT_RENAMED, subject, facts);
      await this.audit.record(caller, 'account.rename', subject, facts);
      // Principals carry the slug: they must be read afresh.
      await this.revocations.append('account', accountId);
    });
  }
}

export function slugTaken(slug: string): DomainError {
  return new DomainError('conflict', `The slug '${slug}' is already taken`, { field: 'slug' });
}

function tooManySlugs(): DomainError {
  return new DomainError('conflict', `An account may hold at most ${MAX_SLUGS} slugs, former ones included`, {
    reason: 'slug_limit',
  });
}
