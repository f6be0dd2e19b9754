import { Injectable } from '@nestjs/common';
import { Clock, DomainError, faultPoint, fromWireError } from '#kernel';
import { STORAGE_LIMIT } from '#accounts';
import { currentContext, type Principal } from '#platform';
import type { PreparedCommit } from './commit-request/commit-operations.js';
import { CommitWriter } from './commit-request/commit-writer.js';
import type { CommitTiming } from './commit-request/write-commits.js';
import { BranchTurns } from './branch-turns.js';
import { CommitPublisher } from './commit-publisher.js';
import { GroupQueue } from './commit-queue.js';
import type { AcceptedCommit, QueuedCommit } from './queued-commit.js';
import { BRANCH_PREFIX } from './ref.js';
import { RefsRepository } from './refs.repository.js';
import type { Repo } from './repo.js';
import { RepoStorage } from './repo-storage.js';
import { GitStore } from './store/git-store.js';
import { EMPTY_TREE } from './store/oid.js';

interface Plan {
  readonly head: string | null;
  readonly accepted: AcceptedCommit[];
  readonly packBytes: number;
  readonly timing: CommitTiming;
}

const GROUP_SIZE = 64;
const MAX_TRIES = 5;
/** From this try on the group has the branch to itself. Before it, other nodes are waited for by nobody. */
const TURN_AT = 3;

/** What is left of a group, and the head it lost to when it was planned last; undefined before that. */
interface Attempt {
  readonly left: QueuedCommit[];
  readonly lastHead: string | null | undefined;
}

/**
 * One queue per repository and branch: what waits together becomes one pack and one transaction. A group that loses
 * its branch to another node is planned again on the new head.
 */
@Injectable()
export class CommitGroups {
  private readonly queue = new GroupQueue<QueuedCommit>((_, group) => this.run(group), GROUP_SIZE);

  constructor(
    private readonly writer: CommitWriter,
    private readonly store: GitStore,
    private readonly storage: RepoStorage,
    private readonly refs: RefsRepository,
    private readonly publisher: CommitPublisher,
    private readonly turns: BranchTurns,
    private readonly clock: Clock,
  ) {}

  /** Answers what `render` makes of the commit. */
  commit(caller: Principal, repo: Repo, prepared: PreparedCommit, render: QueuedCommit['render']): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const item = { caller, repo, prepared, context: currentContext(), render, resolve, reject };
      this.queue.add(`${repo.id} ${prepared.branch}`, item);
    });
  }

  private async run(group: QueuedCommit[]): Promise<void> {
    const { repo, prepared } = group[0]!;
    const name = BRANCH_PREFIX + prepared.branch;
    let state: Attempt = { left: group, lastHead: undefined };
    for (let tries = 1; state.left.length > 0; tries += 1) {
      const { left } = state;
      try {
        if (tries > MAX_TRIES) throw concurrentUpdate((await this.headOf(left[0]!)) ?? undefined);
        const attempt = (hasTurn: boolean): Promise<Attempt> => this.attempt(state, hasTurn);
        state = await (tries < TURN_AT ? attempt(false) : this.turns.take(repo.id, name, () => attempt(true)));
      } catch (error) {
        // Together they are too much for the account's plan: some of them may fit alone.
        if (left.length > 1 && isStorageLimit(error)) for (const item of left) await this.run([item]);
        else for (const item of left) item.reject(error);
        return;
      }
    }
  }

  /** Plans and publishes once; answers who has still to be planned again. */
  private async attempt({ left, lastHead }: Attempt, hasTurn: boolean): Promise<Attempt> {
    const { head, accepted, packBytes, timing } = await this.plan(left, lastHead);
    if (accepted.length === 0) return { left: [], lastHead };
    const outcome = await this.publisher.publish(head, { accepted, packBytes, timing }, hasTurn);
    if (outcome.published) return { left: [], lastHead };
    const items = accepted.map(({ item }) => item);
    if (!outcome.refused) return { left: items, lastHead: head };
    // Refused alone (an idempotency lease that was taken over): the rest is planned again without it.
    const { item: refused, error } = outcome.refused;
    refused.reject(error);
    return { left: items.filter((item) => item !== refused), lastHead };
  }

  /** Writes the group's pack on the branch's present head; items that cannot be applied are rejected here. */
  private async plan(group: QueuedCommit[], lastHead: string | null | undefined): Promise<Plan> {
    const first = group[0]!;
    const head = await this.headOf(first);
    const directory = this.storage.directoryOf(first.repo);
    const handles = group.map((item) => item.prepared.handle);
    const written = await this.writer.write(
      directory,
      head === null ? null : { commit: head },
      handles,
      this.clock.now(),
    );
    faultPoint('commit.pack-written');
    const accepted: AcceptedCommit[] = [];
    for (const [index, result] of written.results.entries()) {
      const item = group[index]!;
      if (!result.ok) item.reject(fromWireError(result.error));
      else accepted.push({ item, written: result });
    }
    const lost = lastHead === undefined ? null : await this.findOverlap(directory, lastHead, head, accepted);
    if (lost) {
      lost.item.reject(concurrentUpdate(head ?? undefined));
      // The others must not be built on a commit that is not published.
      return this.plan(
        accepted.filter((entry) => entry !== lost).map(({ item }) => item),
        lastHead,
      );
    }
    return { head, accepted, packBytes: written.packBytes, timing: written.timing };
  }

  /** A commit whose paths changed under it between two heads, which must not be replayed silently. */
  private async findOverlap(
    directory: string,
    lastHead: string | null,
    head: string | null,
    accepted: readonly AcceptedCommit[],
  ): Promise<AcceptedCommit | null> {
    if (lastHead === head) return null;
    for (const entry of accepted) {
      // A branch that was deleted meanwhile must not come back as a root commit nobody asked for.
      if (head === null) return entry;
      const changed = await this.store.changedPaths(directory, lastHead ?? EMPTY_TREE, head, entry.written.paths);
      if (changed.length > 0) return entry;
    }
    return null;
  }

  private async headOf(item: QueuedCommit): Promise<string | null> {
    const ref = await this.refs.find(item.repo.id, BRANCH_PREFIX + item.prepared.branch);
    return ref?.sha ?? null;
  }
}

function isStorageLimit(error: unknown): boolean {
  return error instanceof DomainError && error.reason === STORAGE_LIMIT;
}

function concurrentUpdate(currentSha: string | undefined): DomainError {
  return new DomainError('conflict', 'Concurrent branch update. Retry.', {
    details: { current_sha: currentSha ?? null },
  });
}
