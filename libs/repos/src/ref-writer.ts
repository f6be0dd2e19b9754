import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import { Database, Events, type EventSubject, type Transaction } from '#platform';
import type { RefUpdate } from './ref.js';
import { planRefUpdates, type RefOutcome } from './ref-plan.js';
import { RefProjector } from './ref-projector.js';
import { REF_CHANGED } from './repos.events.js';
import { RefsRepository } from './refs.repository.js';
import type { Repo } from './repo.js';

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
    await this.record(repo, update);
    tx.afterCommit(() => this.projector.kick(repo.id));
    return 'done';
  }

  /**
   * Applies updates of different refs in a handful of statements, each judged on its own; answers the outcomes by
   * name. Takes the repository's row and all refs named at once and in order: a commit that holds one of them and
   * waits for what we hold would otherwise be a deadlock.
   */
  async applyAll(tx: Transaction, repo: Repo, updates: readonly RefUpdate[]): Promise<ReadonlyMap<string, RefOutcome>> {
    this.assertInside();
    if (!(await this.refs.lockRepo(repo.id))) return new Map(updates.map(({ name }) => [name, 'gone']));
    const locked = await this.refs.lockAll(
      repo.id,
      updates.map(({ name }) => name),
    );
    const current = new Map(locked.map(({ name, sha }) => [name, sha]));
    const creates = updates.some(({ name, target }) => target !== null && !current.has(name));
    const names = creates ? await this.refs.listNames(repo.id) : current.keys();
    const { outcomes, applied } = planRefUpdates(updates, current, names);
    if (applied.length === 0) return outcomes;
    await this.refs.writeAll(repo.id, applied);
    await this.refs.markBehind(repo.id);
    const facts = applied.map((update) => factsOf(update, current.get(update.name) ?? null));
    await this.events.recordAll(REF_CHANGED, subjectOf(repo), facts);
    tx.afterCommit(() => this.projector.kick(repo.id));
    return outcomes;
  }

  private async record(repo: Repo, update: RefUpdate): Promise<void> {
    await this.events.record(REF_CHANGED, subjectOf(repo), factsOf(update, update.expected));
  }

  private assertInside(): void {
    if (!this.db.inTransaction) throw new Error('Refs change inside a transaction only');
  }
}

function subjectOf(repo: Repo): EventSubject {
  return { accountId: repo.accountId, kind: 'repo', id: repo.id };
}

function factsOf({ name, target }: RefUpdate, oldSha: string | null): Record<string, unknown> {
  return { name, old_sha: oldSha, new_sha: target?.sha ?? null };
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
