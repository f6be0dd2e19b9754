import { Injectable } from '@nestjs/common';
import { faultPoint } from '#kernel';
import { Audit, Database, Events, type Principal, SessionWrites, type Transaction } from '#platform';
import { BRANCH_PREFIX, type RefUpdate } from '../ref.js';
import type { RefOutcome } from '../ref-plan.js';
import { RefWriter } from '../ref-writer.js';
import { RefsRepository } from '../refs.repository.js';
import { type Repo, repoNotFound } from '../repo.js';
import { RepoGrowth } from '../repo-growth.js';
import { RepoStorage } from '../repo-storage.js';
import { REPO_PUSHED } from '../repos.events.js';
import { publishPacks } from '../runner/quarantine.js';
import {
  type CheckedCommand,
  CONCURRENT_UPDATE,
  DEFAULT_BRANCH_KEPT,
  refuseTogether,
} from '../smart-http/push-commands.js';
import type { TakenPush } from '../smart-http/take-push.js';

/** A push whose objects have passed every check. */
export interface CheckedPush extends Pick<
  TakenPush,
  'commands' | 'quarantine' | 'packs' | 'tips' | 'packBytes' | 'packObjects'
> {
  /** All refs or none. */
  readonly atomic: boolean;
}

/** Rolls the transaction back; not a failure of the push, whose report tells why nothing was accepted. */
class NothingAccepted extends Error {
  constructor(readonly commands: readonly CheckedCommand[]) {
    super('No ref of the push was accepted');
  }
}

const RECORDED_REFS = 50;

/** Makes a push visible: refs, pack, event and audit row in one transaction. */
@Injectable()
export class PushPublisher {
  constructor(
    private readonly db: Database,
    private readonly refs: RefsRepository,
    private readonly refWriter: RefWriter,
    private readonly storage: RepoStorage,
    private readonly events: Events,
    private readonly audit: Audit,
    private readonly growth: RepoGrowth,
    private readonly sessionWrites: SessionWrites,
  ) {}

  /**
   * Applies the commands that are not refused yet, each by compare-and-set, and answers all of them with what became
   * of them. Objects become part of the repository only when a ref was accepted. @throws not_found
   */
  async publish(caller: Principal, repo: Repo, push: CheckedPush): Promise<readonly CheckedCommand[]> {
    if (push.commands.every((command) => command.refusal !== null)) return push.commands;
    faultPoint('push.before-transaction');
    try {
      const settled = await this.db.transaction((tx) => this.settle(tx, caller, repo, push));
      faultPoint('push.after-transaction');
      if (push.quarantine !== null) this.growth.packAdded(repo);
      return settled;
    } catch (error) {
      if (error instanceof NothingAccepted) return error.commands;
      throw error;
    }
  }

  private async settle(tx: Transaction, caller: Principal, repo: Repo, push: CheckedPush): Promise<CheckedCommand[]> {
    const refusals = await this.applyRefs(tx, repo, push);
    const applied = push.commands.map((command) => ({
      ...command,
      refusal: command.refusal ?? refusals.get(command.ref) ?? null,
    }));
    const settled = push.atomic ? refuseTogether(applied) : applied;
    const accepted = settled.filter((command) => command.refusal === null);
    if (accepted.length === 0) throw new NothingAccepted(settled);
    await this.record(caller, repo, accepted, push.packBytes);
    const objects = push.quarantine === null ? 0 : push.packObjects;
    await this.sessionWrites.noteFor(caller, { repoId: repo.id, objects, refs: accepted.length });
    if (push.quarantine !== null) {
      await this.growth.reserve(caller, repo, push.packBytes);
      await publishPacks(this.storage.directoryOf(repo), push.quarantine, push.packs);
      faultPoint('push.pack-linked');
    }
    return settled;
  }

  /** Why each command that was not refused yet did not go through, null when it did; by ref. */
  private async applyRefs(tx: Transaction, repo: Repo, push: CheckedPush): Promise<Map<string, string | null>> {
    const open = push.commands.filter((command) => command.refusal === null);
    const kept = open.some(({ kind }) => kind === 'delete') ? await this.lockedDefault(repo) : null;
    const allowed = open.filter(({ kind, ref }) => kind !== 'delete' || ref !== kept);
    const updates = allowed.map((command) => updateOf(command, push));
    const outcomes = await this.refWriter.applyAll(tx, repo, updates);
    return new Map(
      open.map(({ ref }) => {
        const outcome = outcomes.get(ref);
        return [ref, outcome === undefined ? DEFAULT_BRANCH_KEPT : reasonOf(outcome)];
      }),
    );
  }

  /** The default branch, which may have become another one since the push was looked at, and stays until the end. */
  private async lockedDefault(repo: Repo): Promise<string> {
    if (!(await this.refs.lockRepo(repo.id))) throw repoNotFound();
    return BRANCH_PREFIX + (await this.refs.findDefaultBranch(repo.id));
  }

  private async record(
    caller: Principal,
    repo: Repo,
    accepted: readonly CheckedCommand[],
    packBytes: number,
  ): Promise<void> {
    const subject = { accountId: repo.accountId, kind: 'repo', id: repo.id };
    const refs = accepted.slice(0, RECORDED_REFS).map(({ ref, oldSha, newSha }) => ({ ref, old: oldSha, new: newSha }));
    const facts = { refs, ref_count: accepted.length, pack_bytes: packBytes };
    await this.events.record(REPO_PUSHED, subject, facts);
    await this.audit.record(caller, 'repo.push', subject, facts);
  }
}

function updateOf({ ref, kind, oldSha, newSha }: CheckedCommand, { tips }: CheckedPush): RefUpdate {
  return {
    name: ref,
    expected: kind === 'create' ? null : oldSha,
    target: kind === 'delete' ? null : { sha: newSha, peeled: tips.get(newSha)?.peeled ?? null },
  };
}

function reasonOf(outcome: RefOutcome): string | null {
  switch (outcome) {
    case 'done':
      return null;
    case 'moved':
      return CONCURRENT_UPDATE;
    case 'clash':
      return 'conflicts with an existing ref';
    case 'gone':
      throw repoNotFound();
  }
}
