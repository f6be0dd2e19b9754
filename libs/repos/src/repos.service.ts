import { Injectable } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import { Database, type Principal } from '#platform';
import { assertDescription, type Repo, type RepoAddress, type RepoChange, repoNotFound } from './repo.js';
import { REPO_DELETED, REPO_UPDATED } from './repos.events.js';
import { RepoGrowth } from './repo-growth.js';
import { RepoJournal } from './repo-journal.js';
import { type RepoListQuery, ReposRepository } from './repos.repository.js';

export interface RepoPage {
  readonly repos: readonly Repo[];
  readonly hasMore: boolean;
}

/** Repositories of an account: find, change, delete (coregit.md §5). RepoCreation makes them. */
@Injectable()
export class ReposService {
  constructor(
    private readonly db: Database,
    private readonly repos: ReposRepository,
    private readonly journal: RepoJournal,
    private readonly growth: RepoGrowth,
    private readonly clock: Clock,
  ) {}

  /** Errors: `not_found`, also for a repository of another account. */
  async get(caller: Pick<Principal, 'accountId'>, address: RepoAddress): Promise<Repo> {
    const repo = await this.repos.find(caller.accountId, address);
    if (!repo) throw repoNotFound();
    return repo;
  }

  /** The caller's repository of this id; null when it has none, or none any more. */
  async findOwn({ accountId }: Pick<Principal, 'accountId'>, id: string): Promise<Repo | null> {
    const repo = await this.repos.findById(id);
    return repo?.accountId === accountId ? repo : null;
  }

  /** The caller's repositories, last updated first. */
  async list(caller: Principal, query: RepoListQuery): Promise<RepoPage> {
    const rows = await this.repos.list(caller.accountId, query);
    return { repos: rows.slice(0, query.limit), hasMore: rows.length > query.limit };
  }

  /** Errors: `bad_request` when the default branch does not exist or nothing changes; `not_found`. */
  async update(caller: Principal, repo: Repo, change: RepoChange): Promise<Repo> {
    if (Object.values(change).every((value) => value === undefined))
      throw new DomainError('bad_request', 'No fields to update');
    assertDescription(change.description);
    return this.db.transaction(async (tx) => {
      const now = this.clock.date();
      await this.journal.assertBranch(repo, change.defaultBranch);
      const updated = await this.repos.update(repo, change, now);
      if (change.defaultBranch !== undefined) await this.journal.followHead(tx, repo);
      const facts = { fields: Object.keys(change) };
      await this.journal.record(caller, 'repo.update', REPO_UPDATED, repo, facts);
      return updated;
    });
  }

  /** Removes the repository for everyone; its directory goes once the row is gone. */
  async delete(caller: Principal, repo: Repo): Promise<void> {
    await this.db.transaction(async (tx) => {
      if (!(await this.repos.delete(repo))) throw repoNotFound();
      await this.growth.release(repo);
      await this.journal.record(caller, 'repo.delete', REPO_DELETED, repo, { storage_id: repo.storageId });
      tx.afterCommit(() => this.journal.removeLater(repo));
    });
  }
}
