import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { entitlementsOf, PlanGate } from '#accounts';
import { Clock, DomainError, urlSafeId } from '#kernel';
import { brokenConstraint, Database, Idempotency, type Principal, sqlState, UNIQUE_VIOLATION } from '#platform';
import { DEFAULT_AUTHOR } from './commit-request/commit-request.js';
import { BRANCH_PREFIX } from './ref.js';
import { RefWriter } from './ref-writer.js';
import {
  assertDescription,
  assertNewRepo,
  type NewRepo,
  type Repo,
  type RepoAddress,
  type RepoChange,
  repoNotFound,
} from './repo.js';
import { REPO_CREATED, REPO_DELETED, REPO_UPDATED } from './repos.events.js';
import { RepoJournal } from './repo-journal.js';
import { type RepoListQuery, ReposRepository } from './repos.repository.js';
import { RepoStorage } from './repo-storage.js';
import { GitStore } from './store/git-store.js';

export interface RepoPage {
  readonly repos: readonly Repo[];
  readonly hasMore: boolean;
}

/** Repositories of an account: create, find, change, delete (coregit.md §5). */
@Injectable()
export class ReposService {
  constructor(
    private readonly db: Database,
    private readonly repos: ReposRepository,
    private readonly storage: RepoStorage,
    private readonly store: GitStore,
    private readonly refWriter: RefWriter,
    private readonly journal: RepoJournal,
    private readonly idempotency: Idempotency,
    private readonly gate: PlanGate,
    private readonly clock: Clock,
  ) {}

  /**
   * Creates the directory durably, then the row; a crash in between leaves a directory that the sweeper removes.
   * `render` makes the answer, which is recorded with the effect. Errors: `invalid_input`, `conflict` when the address is taken, `quota_exceeded`.
   */
  async create<Body>(caller: Principal, input: NewRepo, render: (repo: Repo) => Body): Promise<Body> {
    assertNewRepo(input);
    const { init, ...address } = input;
    const now = this.clock.date();
    const repo: Repo = {
      ...address,
      id: urlSafeId(),
      storageId: randomUUID(),
      accountId: caller.accountId,
      createdAt: now,
      updatedAt: now,
    };
    await this.assertFree(caller, repo);
    const directory = this.storage.directoryOf(repo);
    await this.store.init(directory, repo.defaultBranch);
    try {
      const initial = init ? await this.store.writeInitialCommit(directory, signature(now), 'Initial commit') : null;
      return await this.insert(caller, repo, initial, render);
    } catch (error) {
      await this.storage.remove(repo);
      throw error;
    }
  }

  /** Errors: `not_found`, also for a repository of another account. */
  async get(caller: Pick<Principal, 'accountId'>, address: RepoAddress): Promise<Repo> {
    const repo = await this.repos.find(caller.accountId, address);
    if (!repo) throw repoNotFound();
    return repo;
  }

  /** The caller's repositories, last updated first. */
  async list(caller: Principal, query: RepoListQuery): Promise<RepoPage> {
    const rows = await this.repos.list(caller.accountId, query);
    return { repos: rows.slice(0, query.limit), hasMore: rows.length > query.limit };
  }

  /** Errors: `bad_request` when the default branch does not exist or nothing changes. */
  async update(caller: Principal, repo: Repo, change: RepoChange): Promise<Repo> {
    if (Object.values(change).every((value) => value === undefined))
      throw new DomainError('bad_request', 'No fields to update');
    assertDescription(change.description);
    return this.db.transaction(async (tx) => {
      const now = this.clock.date();
      await this.journal.assertBranch(repo, change.defaultBranch);
      await this.repos.update(repo, change, now);
      if (change.defaultBranch !== undefined) await this.journal.followHead(tx, repo);
      const facts = { fields: Object.keys(change) };
      await this.journal.record(caller, 'repo.update', REPO_UPDATED, repo, facts);
      return { ...repo, ...change, updatedAt: now };
    });
  }

  /** Removes the repository for everyone; its directory goes once the row is gone. */
  async delete(caller: Principal, repo: Repo): Promise<void> {
    await this.db.transaction(async (tx) => {
      if (!(await this.repos.delete(repo))) throw repoNotFound();
      await this.journal.record(caller, 'repo.delete', REPO_DELETED, repo, { storage_id: repo.storageId });
      tx.afterCommit(() => this.journal.removeLater(repo));
    });
  }

  private async assertFree(caller: Principal, repo: Repo): Promise<void> {
    if (await this.repos.find(caller.accountId, repo)) throw slugTaken();
  }

  private async insert<Body>(
    caller: Principal,
    repo: Repo,
    initial: string | null,
    render: (repo: Repo) => Body,
  ): Promise<Body> {
    try {
      return await this.db.transaction(async (tx) => {
        await this.assertQuota(caller);
        await this.repos.insert(repo);
        await this.journal.record(caller, 'repo.create', REPO_CREATED, repo, {
          slug: repo.slug,
          namespace: repo.namespace,
        });
        if (initial !== null) {
          const name = BRANCH_PREFIX + repo.defaultBranch;
          await this.refWriter.apply(tx, repo, { name, expected: null, target: { sha: initial, peeled: null } });
          await this.journal.recordInitialCommit(caller, repo);
        }
        const body = render(repo);
        await this.idempotency.settle(201, body);
        return body;
      });
    } catch (error) {
      if (sqlState(error) === UNIQUE_VIOLATION && brokenConstraint(error) === 'repo_by_address') throw slugTaken();
      throw error;
    }
  }

  private async assertQuota(caller: Principal): Promise<void> {
    const limit = entitlementsOf(caller.tier).repositories;
    if (limit === null) return;
    await this.repos.lockAccount(caller.accountId);
    const used = await this.repos.count(caller.accountId);
    if (used < limit) return;
    throw this.gate.exceeded('repositories', used, limit);
  }
}

function slugTaken(): DomainError {
  return new DomainError('conflict', 'A repository with this slug already exists', { field: 'slug' });
}

function signature(now: Date) {
  return { ...DEFAULT_AUTHOR, timestamp: Math.floor(now.getTime() / 1000), timezone: '+0000' };
}
