import { Injectable, Logger } from '@nestjs/common';
import { DomainError } from '#kernel';
import { Audit, Events, type Principal, SessionWrites, type Transaction, Usage } from '#platform';
import { BRANCH_PREFIX } from './ref.js';
import { RefProjector } from './ref-projector.js';
import { RefsRepository } from './refs.repository.js';
import { type Repo, repoNotFound } from './repo.js';
import { RepoGrowth } from './repo-growth.js';
import { RepoStorage } from './repo-storage.js';
import { REPO_CREATED } from './repos.events.js';

/** What goes with every change of a repository: its event, its audit row, its metering, its HEAD and its directory. */
@Injectable()
export class RepoJournal {
  private readonly log = new Logger(RepoJournal.name);

  constructor(
    private readonly events: Events,
    private readonly audit: Audit,
    private readonly refs: RefsRepository,
    private readonly projector: RefProjector,
    private readonly storage: RepoStorage,
    private readonly sessionWrites: SessionWrites,
    private readonly usage: Usage,
    private readonly growth: RepoGrowth,
  ) {}

  async record(
    caller: Principal,
    action: string,
    event: string,
    repo: Repo,
    facts: Record<string, unknown>,
  ): Promise<void> {
    const subject = { accountId: repo.accountId, kind: 'repo', id: repo.id };
    await this.events.record(event, subject, facts);
    await this.audit.record(caller, action, subject, facts);
  }

  async recordCreation(tx: Transaction, caller: Principal, repo: Repo): Promise<void> {
    await this.record(caller, 'repo.create', REPO_CREATED, repo, { slug: repo.slug, namespace: repo.namespace });
    tx.afterCommit(() => this.usage.count(repo.accountId, 'repo_created'));
  }

  /** The commit and its tree that a repository was created with. */
  async recordInitialCommit(caller: Principal, repo: Repo, packBytes: number): Promise<void> {
    await this.growth.reserve(caller, repo, packBytes);
    await this.sessionWrites.noteFor(caller, { repoId: repo.id, objects: 2, refs: 1 });
  }

  /** Errors: `bad_request` when `branch` is given and does not exist. It stays until the transaction ends. */
  async assertBranch(repo: Repo, branch: string | undefined): Promise<void> {
    if (branch === undefined) return;
    if (!(await this.refs.lockRepo(repo.id))) throw repoNotFound();
    if (await this.refs.find(repo.id, BRANCH_PREFIX + branch)) return;
    throw new DomainError('bad_request', `Branch '${branch}' does not exist`, { field: 'default_branch' });
  }

  /** HEAD on disk follows the default branch once the transaction has committed. */
  async followHead(tx: Transaction, repo: Repo): Promise<void> {
    await this.refs.markBehind(repo.id, { head: true });
    tx.afterCommit(() => this.projector.kick(repo.id));
  }

  /** Deletes the directory of a repository whose row is gone. What a crash leaves behind, the sweeper removes. */
  removeLater(repo: Repo): void {
    this.storage.remove(repo).catch((error: unknown) => {
      this.log.error({
        msg: 'directory of a deleted repository could not be removed',
        storage: repo.storageId,
        err: error,
      });
    });
  }
}
