import { Injectable } from '@nestjs/common';
import { entitlementsOf, PlanGate, StorageQuota } from '#accounts';
import { DomainError, faultPoint } from '#kernel';
import type { Principal } from '#platform';
import { assertLazyEditsAllowed } from './commit-request/parse-commit-request.js';
import { CommitWriter } from './commit-request/commit-writer.js';
import { CommitGroups } from './commit-groups.js';
import type { CreatedCommit } from './queued-commit.js';
import { RefResolver } from './ref-resolver.js';
import type { Repo } from './repo.js';
import { RepoStorage } from './repo-storage.js';
import { GitStore } from './store/git-store.js';
import type { CommitFacts } from './store/operations/read-commit.js';

/** 10 MB per file, decoded (seed 001). */
export const MAX_FILE_BYTES = 10_485_760;

export interface CommitPage {
  readonly commits: readonly CommitFacts[];
  /** What the listing started from, as the caller named it. */
  readonly ref: string;
  readonly hasMore: boolean;
}

/** Commits through the API (coregit.md §4). */
@Injectable()
export class CommitsService {
  constructor(
    private readonly writer: CommitWriter,
    private readonly groups: CommitGroups,
    private readonly store: GitStore,
    private readonly storage: RepoStorage,
    private readonly resolver: RefResolver,
    private readonly gate: PlanGate,
    private readonly quota: StorageQuota,
  ) {}

  /**
   * Commits up to 1,000 changes in one step; durable and visible to all when it returns. The body is parsed in a
   * worker. Errors: those of coregit.md §4.1, with `current_sha` on every 409.
   */
  async create<Body>(
    caller: Principal,
    repo: Repo,
    body: Buffer,
    render: (commit: CreatedCommit) => Body,
  ): Promise<Body> {
    await this.gate.assertMayCall(caller);
    // What is written and then refused would lie on the disk for two weeks.
    await this.quota.assertRoom(caller, body.length);
    const directory = this.storage.directoryOf(repo);
    const prepared = await this.writer.prepare(directory, body, { maxFileBytes: MAX_FILE_BYTES });
    try {
      assertLazyEditsAllowed(prepared, {
        paidPlan: entitlementsOf(caller.tier).isPaid,
        configured: false,
        upgradeUrl: this.gate.upgradeUrl,
      });
      const created = await this.groups.commit(caller, repo, prepared, render);
      faultPoint('commit.before-reply');
      return created as Body;
    } finally {
      this.writer.discard(directory, prepared);
    }
  }

  /** First-parent history, newest first; `cursor` is the last sha of the page before (coregit.md §4.8). */
  async list(repo: Repo, query: { ref: string | null; limit: number; cursor: string | null }): Promise<CommitPage> {
    const target = await this.resolver.resolve(repo, query.ref);
    const start = query.cursor ?? target.commit;
    const page = await this.store.log(this.storage.directoryOf(repo), start, {
      limit: query.limit,
      skipStart: query.cursor !== null,
    });
    return { ...page, ref: target.name };
  }

  /** By full id or an unambiguous prefix of 4 or more digits. Errors: `not_found`; `bad_request` for other objects. */
  async get(repo: Repo, id: string): Promise<CommitFacts> {
    const directory = this.storage.directoryOf(repo);
    const sha = await this.resolver.completeSha(repo, id);
    if (sha === null) throw new DomainError('not_found', 'Commit not found');
    return this.store.readCommit(directory, sha);
  }
}
