import { Injectable } from '@nestjs/common';
import { DomainError, faultPoint } from '#kernel';
import { Audit, Database, Events, Idempotency, runInContext, SessionWrites, type Transaction } from '#platform';
import type { CommitTiming } from './commit-request/write-commits.js';
import type { AcceptedCommit, CreatedCommit } from './queued-commit.js';
import { BRANCH_PREFIX } from './ref.js';
import { refOutcomeError, RefWriter } from './ref-writer.js';
import { RepoGrowth } from './repo-growth.js';
import { COMMIT_CREATED } from './repos.events.js';

/** Accepted commits with the pack that holds them. */
export interface WrittenPlan {
  readonly accepted: readonly AcceptedCommit[];
  readonly packBytes: number;
  readonly timing: CommitTiming;
}

export type PublishOutcome =
  | { readonly published: true }
  | {
      readonly published: false;
      readonly refused?: { readonly item: AcceptedCommit['item']; readonly error: unknown };
    };

/** Makes a written group visible: one transaction moves the branch once and records every commit. */
@Injectable()
export class CommitPublisher {
  constructor(
    private readonly db: Database,
    private readonly refWriter: RefWriter,
    private readonly events: Events,
    private readonly audit: Audit,
    private readonly idempotency: Idempotency,
    private readonly growth: RepoGrowth,
    private readonly sessionWrites: SessionWrites,
  ) {}

  /**
   * Moves the branch from `head` over the whole group, or changes nothing: `published` false when the branch moved.
   * Waits for writers that have taken the branch's turn, unless this one has.
   */
  async publish(
    head: string | null,
    { accepted: group, packBytes, timing }: WrittenPlan,
    hasTurn: boolean,
  ): Promise<PublishOutcome> {
    const { caller, repo } = group[0]!.item;
    const bodies = group.map((entry) => entry.item.render(toCreated(entry, timing)));
    let settling: AcceptedCommit['item'] | undefined;
    faultPoint('commit.before-transaction');
    try {
      const moved = await this.db.transaction(async (tx) => {
        if (!(await this.moveBranch(tx, head, group, !hasTurn))) return false;
        for (const [index, entry] of group.entries()) {
          settling = entry.item;
          await this.record(entry, bodies[index]);
        }
        settling = undefined;
        // Last, because writers of an account with a limit wait here for each other.
        await this.growth.reserve(caller, repo, packBytes);
        return true;
      });
      if (!moved) return { published: false };
    } catch (error) {
      if (settling && error instanceof DomainError) return { published: false, refused: { item: settling, error } };
      throw error;
    }
    faultPoint('commit.after-transaction');
    this.growth.packAdded(repo);
    for (const [index, { item }] of group.entries()) item.resolve(bodies[index]);
    return { published: true };
  }

  private async moveBranch(
    tx: Transaction,
    head: string | null,
    group: readonly AcceptedCommit[],
    waitsForTurn: boolean,
  ): Promise<boolean> {
    const { item } = group[0]!;
    const sha = group.at(-1)!.written.sha;
    const name = BRANCH_PREFIX + item.prepared.branch;
    const target = { sha, peeled: null };
    const outcome = await this.refWriter.apply(tx, item.repo, { name, expected: head, target, waitsForTurn });
    if (outcome === 'done') return true;
    if (outcome === 'moved') return false;
    throw refOutcomeError(outcome, name);
  }

  private async record({ item, written }: AcceptedCommit, body: unknown): Promise<void> {
    const work = async (): Promise<void> => {
      const subject = { accountId: item.repo.accountId, kind: 'repo', id: item.repo.id };
      const facts = {
        ref: BRANCH_PREFIX + item.prepared.branch,
        sha: written.sha,
        parent: written.parent,
        paths: written.paths.length,
      };
      await this.events.record(COMMIT_CREATED, subject, facts);
      await this.audit.record(item.caller, 'commit.create', subject, facts);
      await this.sessionWrites.noteFor(item.caller, { repoId: item.repo.id, objects: written.objects, refs: 1 });
      await this.idempotency.settle(201, body);
    };
    await (item.context ? runInContext(item.context, work) : work());
  }
}

function toCreated({ item, written }: AcceptedCommit, timing: CommitTiming): CreatedCommit {
  const { sha, treeSha, parent } = written;
  return { sha, treeSha, parent, branch: item.prepared.branch, timing };
}
