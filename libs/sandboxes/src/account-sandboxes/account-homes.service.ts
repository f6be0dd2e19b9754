import { Injectable, type OnModuleInit } from '@nestjs/common';
import { AccountHoldings } from '#accounts';
import { DomainError } from '#kernel';
import { Audit, Blobs, Database, Events, holdsScope, type Principal } from '#platform';
import { ReposService } from '#repos';
import { SNAPSHOT_HOLDER } from '../lifecycle/sandbox-ends.js';
import { ACCOUNT_SANDBOXES_CHANGED } from '../sandboxes.events.js';
import { AccountHomesRepository } from './account-homes.repository.js';
import { AccountRepositories } from './account-repositories.js';
import { ACCOUNT_SNAPSHOT_HOLDER, type AccountSnapshot } from './account-sandbox.js';

/** As clients know it. */
export interface AccountHomeView {
  readonly snapshotId: string | null;
  /** Clone URL. */
  readonly repoUrl: string | null;
}

/** What the sandboxes of an account begin with: its snapshot and its repository (sandbox-sessions.md §A12.3). */
@Injectable()
export class AccountHomesService implements OnModuleInit {
  constructor(
    private readonly db: Database,
    private readonly homes: AccountHomesRepository,
    private readonly repositories: AccountRepositories,
    private readonly repos: ReposService,
    private readonly blobs: Blobs,
    private readonly events: Events,
    private readonly audit: Audit,
    private readonly holdings: AccountHoldings,
  ) {}

  onModuleInit(): void {
    this.holdings.register('sandbox_snapshots', (accountId) => this.homes.countSnapshots(accountId));
  }

  async get(caller: Principal): Promise<AccountHomeView> {
    const { snapshot } = await this.homes.find(caller.accountId);
    const repo = await this.repositories.find(caller);
    return { snapshotId: snapshot?.url ?? null, repoUrl: repo && this.repositories.urlOf(caller, repo) };
  }

  /**
   * New sandboxes begin with this snapshot, one of a sandbox of the account's; null for none. It outlives its sandbox.
   * Errors: `not_found` for a snapshot that none of them has.
   */
  async setSnapshot(caller: Principal, snapshotId: string | null): Promise<AccountHomeView> {
    return this.db.transaction(async () => {
      const { snapshot: before } = await this.homes.lock(caller.accountId);
      if (snapshotId !== (before?.url ?? null)) await this.replaceSnapshot(caller, snapshotId);
      return this.get(caller);
    });
  }

  /**
   * Drops the snapshot, and the repository with all that is in it. Sandboxes stay. Answers what there was. Errors:
   * `forbidden` for a key that may not delete repositories.
   */
  async drop(caller: Principal): Promise<AccountHomeView> {
    return this.db.transaction(async () => {
      await this.homes.lock(caller.accountId);
      const before = await this.get(caller);
      const repo = await this.repositories.find(caller);
      if (repo && !holdsScope(caller, 'repos:write'))
        throw new DomainError('forbidden', 'The key may not delete repositories: it lacks repos:write');
      if (repo) await this.repos.delete(caller, repo);
      if (before.snapshotId !== null) await this.replaceSnapshot(caller, null);
      return before;
    });
  }

  private async replaceSnapshot(caller: Principal, snapshotId: string | null): Promise<void> {
    const { accountId } = caller;
    const holder = { kind: ACCOUNT_SNAPSHOT_HOLDER, ownerId: accountId };
    let snapshot: AccountSnapshot | null = null;
    if (snapshotId !== null) {
      const found = await this.homes.findSnapshot(accountId, snapshotId);
      if (!found)
        throw new DomainError('not_found', 'No sandbox of the account has this snapshot', { field: 'snapshotId' });
      snapshot = found.snapshot;
      await this.blobs.release(holder);
      await this.blobs.holdAsWell({ kind: SNAPSHOT_HOLDER, ownerId: found.sandboxId }, holder);
    } else {
      await this.blobs.release(holder);
    }
    await this.homes.setSnapshot(accountId, snapshot);
    const subject = { accountId, kind: 'account', id: accountId };
    await this.events.record(ACCOUNT_SANDBOXES_CHANGED, subject, { snapshot_id: snapshotId });
    await this.audit.record(caller, 'account.set-sandbox-snapshot', subject, { snapshot_id: snapshotId });
  }
}
