import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock, DomainError, urlSafeId } from '#kernel';
import { brokenConstraint, Database, Idempotency, type Principal, sqlState, UNIQUE_VIOLATION } from '#platform';
import { BRANCH_PREFIX } from './ref.js';
import { RefWriter } from './ref-writer.js';
import { assertNewRepo, type NewRepo, type Repo } from './repo.js';
import { RepoJournal } from './repo-journal.js';
import { RepoQuota } from './repo-quota.js';
import { RepoStorage } from './repo-storage.js';
import { ReposRepository } from './repos.repository.js';
import type { InitialCommit } from './store/operations/write-initial-commit.js';

/** How a repository comes into being (coregit.md §5.1): its directory durably first, then its row. */
@Injectable()
export class RepoCreation {
  constructor(
    private readonly db: Database,
    private readonly repos: ReposRepository,
    private readonly storage: RepoStorage,
    private readonly refWriter: RefWriter,
    private readonly journal: RepoJournal,
    private readonly quota: RepoQuota,
    private readonly idempotency: Idempotency,
    private readonly clock: Clock,
  ) {}

  /**
   * `render` makes the answer, which is recorded with the effect. A crash leaves at most a directory without a row,
   * which the sweeper removes. Errors: `invalid_input`, `conflict` when the address is taken, `quota_exceeded`.
   */
  create<Body>(caller: Principal, input: NewRepo, render: (repo: Repo) => Body): Promise<Body> {
    return this.createWith(caller, input, async (repo) => {
      const body = render(repo);
      await this.idempotency.settle(201, body);
      return body;
    });
  }

  /** As `create`, with what belongs to it: `effect` runs inside the transaction that makes the repository. */
  async createWith<Result>(
    caller: Principal,
    input: NewRepo,
    effect: (repo: Repo) => Promise<Result>,
  ): Promise<Result> {
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
    // Asked before any work; the unique index decides between creations that race.
    if (await this.repos.find(caller.accountId, repo)) throw slugTaken();
    try {
      const head = await this.storage.create(repo, init);
      return await this.insert(caller, repo, head, effect);
    } catch (error) {
      // After any other failure (a connection lost while committing) the row may exist: the sweeper knows later.
      if (error instanceof DomainError) await this.storage.remove(repo);
      throw error;
    }
  }

  private async insert<Result>(
    caller: Principal,
    repo: Repo,
    head: InitialCommit | null,
    effect: (repo: Repo) => Promise<Result>,
  ): Promise<Result> {
    try {
      return await this.db.transaction(async (tx) => {
        await this.quota.assertRoom(caller);
        await this.repos.insert(repo);
        await this.journal.recordCreation(tx, caller, repo);
        if (head !== null) {
          const name = BRANCH_PREFIX + repo.defaultBranch;
          await this.refWriter.apply(tx, repo, { name, expected: null, target: { sha: head.sha, peeled: null } });
          await this.journal.recordInitialCommit(caller, repo, head.packBytes);
        }
        return effect(repo);
      });
    } catch (error) {
      if (sqlState(error) === UNIQUE_VIOLATION && brokenConstraint(error) === 'repo_by_address') throw slugTaken();
      throw error;
    }
  }
}

function slugTaken(): DomainError {
  return new DomainError('conflict', 'A repository with this slug already exists', { field: 'slug' });
}
