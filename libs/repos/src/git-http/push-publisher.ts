import { Injectable } from '@nestjs/common';
import { faultPoint } from '#kernel';
import { Audit, Database, Events, type Principal, SessionWrites, type Transaction } from '#platform';
import { MaintenanceCounter } from '../maintenance-counter.js';
import { BRANCH_PREFIX, type RefUpdate } from '../ref.js';
import { type RefOutcome, RefWriter } from '../ref-writer.js';
import { RefsRepository } from '../refs.repository.js';
import { type Repo, repoNotFound } from '../repo.js';
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
    private readonly maintenance: MaintenanceCounter,
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
      if (push.quarantine !== null) this.maintenance.packAdded(repo);
      return settled;
    } catch (error) {
      if (error instanceof NothingAccepted) return error.commands;
      throw error;
    }
  }

  private async settle(tx: Transaction, caller: Principal, repo: Repo, push: CheckedPush): Promise<CheckedCommand[]> {
    const open = push.commands.filter((command) => command.refusal === null);
    if (!(await this.refs.lockRepo(repo.id))) throw repoNotFound();
    // All at once and in order: a commit to one of them that holds its row would otherwise wait for us, and we for it.
    await this.refs.lockAll(
      repo.id,
      open.map((command) => command.ref),
    );
    const refusals = new Map<string, string | null>();
    // A deleted name makes room for names below or above it.
    for (const command of deletionsFirst(open)) refusals.set(command.ref, await this.apply(tx, repo, command, push));
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
      await publishPacks(this.storage.directoryOf(repo), push.quarantine, push.packs);
      faultPoint('push.pack-linked');
    }
    return settled;
  }

  /** Null when done, else why not. */
  private async apply(tx: Transaction, repo: Repo, command: CheckedCommand, push: CheckedPush): Promise<string | null> {
    if (command.kind === 'delete') {
      // The default branch may have become another one since the push was looked at; the row is locked now.
      const kept = await this.refs.findDefaultBranch(repo.id);
      if (command.ref === BRANCH_PREFIX + kept) return DEFAULT_BRANCH_KEPT;
    }
    return reasonOf(await this.refWriter.apply(tx, repo, updateOf(command, push)));
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

function deletionsFirst(commands: readonly CheckedCommand[]): CheckedCommand[] {
  return commands.toSorted((a, b) => Number(b.kind === 'delete') - Number(a.kind === 'delete'));
}
