import { Injectable } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import { Database, type Principal } from '#platform';
import { AccountHoldings } from '../account-holdings.js';
import { AccountsRepository } from '../accounts.repository.js';
import { Memberships } from './memberships.js';
import { ORG_DELETED } from './organisations.events.js';
import { OrganisationsRepository } from './organisations.repository.js';
import { OrgJournal } from './org-journal.js';

/** Deleting organisations: only empty ones, so that nothing is lost by it that was not deleted on its own. */
@Injectable()
export class OrgRemovalService {
  constructor(
    private readonly db: Database,
    private readonly orgs: OrganisationsRepository,
    private readonly accounts: AccountsRepository,
    private readonly memberships: Memberships,
    private readonly holdings: AccountHoldings,
    private readonly journal: OrgJournal,
    private readonly clock: Clock,
  ) {}

  /**
   * Ends the organisation with its memberships, invites, teams and keys. Its slugs stay reserved. Errors: `not_found`,
   * `forbidden` unless the owner, `conflict` with reason `org_not_empty` naming what it still owns.
   */
  async delete(caller: Principal, orgId: string): Promise<void> {
    await this.db.transaction(async () => {
      const org = await this.memberships.lockWithRole(caller, orgId, 'owner');
      const account = await this.accounts.lockAccount(org.accountId);
      const left = await this.holdings.of(org.accountId);
      if (Object.keys(left).length > 0) throw notEmpty(left);
      await this.orgs.remove(org, this.clock.date());
      await this.journal.record(caller, ORG_DELETED, org, { name: org.name, slug: account?.slug });
    });
  }
}

function notEmpty(left: Record<string, number>): DomainError {
  const list = Object.entries(left).map(([kind, count]) => `${kind} (${count})`);
  return new DomainError('conflict', `The organization still owns ${list.join(', ')}. Delete or end them first.`, {
    reason: 'org_not_empty',
    details: { left },
  });
}
