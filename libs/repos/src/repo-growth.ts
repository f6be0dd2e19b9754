import { Injectable } from '@nestjs/common';
import { StorageQuota } from '#accounts';
import type { Principal } from '#platform';
import { MaintenanceCounter } from './maintenance-counter.js';
import { type Repo, storedItemOf } from './repo.js';

/** What packs do besides holding objects: they take up room in the account's plan, and they call for maintenance. */
@Injectable()
export class RepoGrowth {
  constructor(
    private readonly quota: StorageQuota,
    private readonly maintenance: MaintenanceCounter,
  ) {}

  /**
   * Part of the transaction that makes a pack of `bytes` visible, and late in it: writers of an account with a limit
   * wait here for each other. Errors: `forbidden` with reason `storage_limit`.
   */
  reserve(caller: Principal, repo: Repo, bytes: number): Promise<void> {
    return this.quota.reserve(caller, storedItemOf(repo), bytes);
  }

  /** After that transaction. */
  packAdded(repo: Repo): void {
    this.maintenance.packAdded(repo);
  }

  /** Part of the transaction that deletes the repository, once its row is gone. */
  async release(repo: Repo): Promise<void> {
    await this.quota.release(repo.accountId, storedItemOf(repo));
  }
}
