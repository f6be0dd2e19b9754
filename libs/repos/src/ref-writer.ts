import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import { Database, Events, type Transaction } from '#platform';
import type { RefUpdate } from './ref.js';
import { RefProjector } from './ref-projector.js';
import { REF_CHANGED } from './repos.events.js';
import { RefsRepository } from './refs.repository.js';
import type { Repo } from './repo.js';

export type RefOutcome = 'done' | 'moved' | 'clash' | 'gone';

/** The one way a ref changes: compare-and-set in the open transaction, with its event and projection. Its caller writes the audit row. */
@Injectable()
export class RefWriter {
  constructor(
    private readonly db: Database,
    private readonly refs: RefsRepository,
    private readonly projector: RefProjector,
    private readonly events: Events,
  ) {}

  /**
   * Applies one update. `moved`: the ref is not where `expected` says. `clash`: the new name is a directory of, or
   * below, an existing ref. `gone`: the repository was deleted. Only `done` changed anything.
   */
  async apply(tx: Transaction, repo: Repo, update: RefUpdate): Promise<RefOutcome> {
    this.assertInside();
    const creates = update.target !== null && (update.expected === null || update.expected === 'any');
    if (creates) {
      // Names are created one at a time per repository: two clashing names could otherwise both be free.
      if (!(await this.refs.lockRepo(repo.id))) return 'gone';
      if ((await this.refs.findClash(repo.id, update.name)) !== null) return 'clash';
    }
    if (!(await this.refs.apply(repo.id, update))) return 'moved';
    await this.refs.markBehind(repo.id);
    await this.record(repo, update);
    tx.afterCommit(() => this.projector.kick(repo.id));
    return 'done';
  }

  private async record(repo: Repo, update: RefUpdate): Promise<void> {
    const subject = { accountId: repo.accountId, kind: 'repo', id: repo.id };
    const facts = { name: update.name, old_sha: update.expected, new_sha: update.target?.sha ?? null };
    await this.events.record(REF_CHANGED, subject, facts);
  }

  private assertInside(): void {
    if (!this.db.inTransaction) throw new Error('Refs change inside a transaction only');
  }
}

/** The 409 or 404 for an update that was not applied. */
export function refOutcomeError(outcome: Exclude<RefOutcome, 'done'>, name: string): DomainError {
  switch (outcome) {
    case 'moved':
      return new DomainError('conflict', 'Ref was updated concurrently, retry');
    case 'clash':
      return new DomainError('conflict', `Ref '${name}' conflicts with an existing ref`);
    case 'gone':
      return new DomainError('not_found', 'Repository not found');
  }
}
