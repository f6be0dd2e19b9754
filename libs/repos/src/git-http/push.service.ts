import type { Readable } from 'node:stream';
import { Injectable, Logger } from '@nestjs/common';
import { DISK_FULL, DomainError, faultPoint } from '#kernel';
import { STORAGE_LIMIT } from '#accounts';
import { AppConfig, type Principal, Usage } from '#platform';
import { BRANCH_PREFIX } from '../ref.js';
import { RefsRepository } from '../refs.repository.js';
import type { Repo } from '../repo.js';
import { RepoStorage } from '../repo-storage.js';
import { GitRunner } from '../runner/git-runner.js';
import { dropQuarantine, quarantinePath } from '../runner/quarantine.js';
import { type CheckedCommand, checkPushCommands, compareWithCurrent } from '../smart-http/push-commands.js';
import { type PushRequest, readPushRequest } from '../smart-http/receive-pack-request.js';
import { KEEP_ALIVE_PKT, pushReport } from '../smart-http/report-status.js';
import { type TakenPush, takePush } from '../smart-http/take-push.js';
import { GitStore } from '../store/git-store.js';
import { withKeepAlive } from './keep-alive.js';
import { PushPublisher } from './push-publisher.js';

const KEEP_ALIVE_MS = 5_000;

/** Takes what git clients push: checked in a quarantine, then published with its refs in one step (coregit.md §15.4). */
@Injectable()
export class PushService {
  private readonly log = new Logger(PushService.name);

  constructor(
    private readonly refs: RefsRepository,
    private readonly storage: RepoStorage,
    private readonly runner: GitRunner,
    private readonly store: GitStore,
    private readonly publisher: PushPublisher,
    private readonly usage: Usage,
    private readonly config: AppConfig,
  ) {}

  /**
   * Answers a POST to git-receive-pack. What is refused is a line of the report and leaves nothing behind; what is
   * reported `ok` is durable and visible to all. A full disk is told to git in the report, where its user reads it.
   * @throws invalid_input, payload_too_large `Pack exceeds … MB limit`,
   * not_found, unavailable, timeout
   */
  async receive(caller: Principal, repo: Repo, body: Readable, signal: AbortSignal): Promise<AsyncIterable<Buffer>> {
    const request = await readPushRequest(body);
    const work =
      request.commands.length === 0 ? probed() : this.orNoRoom(request, this.push(caller, repo, request, signal));
    return withKeepAlive(work, {
      everyMs: KEEP_ALIVE_MS,
      packet: KEEP_ALIVE_PKT,
      isListening: () => request.capabilities.sideBand64k && request.pack.readableEnded,
      explain: (error) => this.explain(error, request),
    });
  }

  private async push(caller: Principal, repo: Repo, request: PushRequest, signal: AbortSignal): Promise<Buffer> {
    const directory = this.storage.directoryOf(repo);
    const visible = await this.refs.listVisible(repo.id);
    const current = new Map(visible.map((ref) => [ref.name, ref.sha]));
    const commands = checkPushCommands(request.commands, { defaultBranch: BRANCH_PREFIX + repo.defaultBranch }).map(
      (command) => ({
        ...command,
        refusal: command.refusal ?? compareWithCurrent(command, current.get(command.ref) ?? null),
      }),
    );
    const scope = { repo: directory, visibleTips: [...current.values()], maxBytes: this.config.MAX_PUSH_BYTES };
    const taken = await takePush(this.runner, scope, { request, commands }, signal);
    try {
      if (taken.quarantine !== null) faultPoint('push.quarantined');
      this.usage.count(repo.accountId, 'git_transfer_bytes', taken.packBytes);
      const clean = await this.withoutForbiddenPaths(directory, taken);
      const settled = await this.publisher.publish(caller, repo, { ...clean, atomic: request.capabilities.atomic });
      return pushReport({ unpackError: clean.unpackError, refs: settled }, request.capabilities);
    } finally {
      if (taken.quarantine !== null) await this.drop(directory, taken.quarantine);
    }
  }

  /** Refuses the whole push when one of its trees holds a name that no other door would let in. */
  private async withoutForbiddenPaths(directory: string, taken: TakenPush): Promise<TakenPush> {
    if (taken.quarantine === null) return taken;
    const [first] = await this.store.forbiddenTreeEntries(directory, quarantinePath(directory, taken.quarantine));
    if (!first) return taken;
    const unpackError = `forbidden path '${first.name}' in tree ${first.tree}: ${first.reason}`;
    return { ...taken, unpackError, commands: refuseAll(taken.commands, unpackError) };
  }

  /** No room, on the disk or in the plan: git tells its user only what stands in the report. */
  private async orNoRoom(request: PushRequest, work: Promise<Buffer>): Promise<Buffer> {
    try {
      return await work;
    } catch (error) {
      const reason = error instanceof DomainError ? error.reason : undefined;
      // Who wants no report only learns from the status.
      if ((reason !== DISK_FULL && reason !== STORAGE_LIMIT) || !request.capabilities.reportStatus) throw error;
      if (reason === DISK_FULL) this.log.error({ msg: 'push refused: the disk is full', err: error });
      return this.explain(error, request);
    }
  }

  private explain(error: unknown, request: PushRequest): Buffer {
    const known = error instanceof DomainError && error.code !== 'internal';
    if (!known) this.log.error({ msg: 'push failed', err: error });
    const unpackError = known ? error.message : 'internal error';
    const refs = request.commands.map(({ ref }) => ({ ref, refusal: `unpack failed: ${unpackError}` }));
    return pushReport({ unpackError, refs }, request.capabilities);
  }

  /** What cannot be removed now, maintenance sweeps; the push itself has been decided. */
  private async drop(directory: string, quarantine: string): Promise<void> {
    try {
      await dropQuarantine(directory, quarantine);
    } catch (error) {
      this.log.warn({ msg: 'quarantine could not be removed', quarantine, err: error });
    }
  }
}

/** git asks with an empty push whether it is let in, before it sends a large one. */
function probed(): Promise<Buffer> {
  return Promise.resolve(Buffer.alloc(0));
}

function refuseAll(commands: readonly CheckedCommand[], unpackError: string): CheckedCommand[] {
  return commands.map((command) => ({ ...command, refusal: command.refusal ?? `unpack failed: ${unpackError}` }));
}
