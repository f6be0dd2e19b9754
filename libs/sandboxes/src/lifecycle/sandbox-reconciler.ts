import {
  type BeforeApplicationShutdown,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnModuleInit,
} from '@nestjs/common';
import { Clock } from '#kernel';
import { AppConfig, PeriodicTasks } from '#platform';
import { Hibernation } from './hibernation.js';
import { LifeSteps } from './life-steps.js';
import { LifecycleRepository } from './lifecycle.repository.js';
import { OwnDirectories } from './own-directories.js';
import { SandboxEnds } from './sandbox-ends.js';

const EVERY_MS = 15_000;
/** Longer than a clone goes on that has lost its lease. */
const AGAIN_MS = 60_000;
const BATCH = 100;
const AT_ONCE = 8;

/**
 * Does what rows say is still to be done: ends sessions whose time has come, clears destroyed ones away, settles what a
 * crash cut off, hibernates idle ones. Woken after commits, and periodically. Each item is idempotent and claimed, so any
 * number of processes may do rounds at once.
 */
@Injectable()
export class SandboxReconciler implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger(SandboxReconciler.name);
  private readonly stopping = new AbortController();
  private running: Promise<void> | null = null;
  private isWanted = false;

  constructor(
    private readonly repository: LifecycleRepository,
    private readonly hibernation: Hibernation,
    private readonly steps: LifeSteps,
    private readonly ends: SandboxEnds,
    private readonly directories: OwnDirectories,
    private readonly periodic: PeriodicTasks,
    private readonly config: AppConfig,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.periodic.register({ name: 'sandboxes.reconcile', everyMs: EVERY_MS, run: (signal) => this.round(signal) });
  }

  /** What a crash left is not to wait for the next round. */
  onApplicationBootstrap(): void {
    if (this.config.APP_MODE !== 'api') this.wake();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  /** For after a commit: a round in this process, soon. What runs in a sandbox runs where its request came in. */
  wake(): void {
    this.isWanted = true;
    this.running ??= this.rounds().finally(() => (this.running = null));
  }

  /** Answers once everything that was due is done or logged as impossible now. */
  async round(signal: AbortSignal): Promise<void> {
    const now = this.clock.date();
    await this.ends.endOverdue(now, BATCH);
    const destroyed = await this.repository.claimDestroyed(this.steps.newLease(), now, BATCH);
    await this.each(signal, destroyed, 'destroyed', (id) => this.ends.clearAway(id));
    const unfinished = await this.repository.findAbandoned(now, BATCH);
    const stopping = await this.repository.findStopping(BATCH);
    await this.each(signal, new Set([...unfinished, ...stopping]), 'unfinished', (id) => this.settle(id));
    const overdue = await this.repository.findOverdue(now, BATCH);
    await this.each(signal, overdue, 'overdue', (id) => this.hibernation.pauseOverdue(id));
    const remains = new Map((await this.repository.findRemains(now, BATCH)).map((owner) => [owner.id, owner]));
    await this.each(signal, remains.keys(), 'remaining', async (id) => {
      const owner = remains.get(id)!;
      await this.directories.remove(owner);
      // Whoever was at work in it when it was destroyed may make it once more: it is looked for again.
      if (owner.isRemoved) await this.repository.forgetRemains(id);
      else await this.repository.noteRemoval(id, new Date(now.getTime() + AGAIN_MS));
    });
  }

  private async rounds(): Promise<void> {
    while (this.isWanted && !this.stopping.signal.aborted) {
      this.isWanted = false;
      // Gathers what is committed at the same moment.
      await new Promise((resolve) => setImmediate(resolve));
      await this.round(this.stopping.signal).catch((error: unknown) =>
        this.log.error({ msg: 'sandboxes could not be reconciled', err: error }),
      );
    }
  }

  private async settle(id: string): Promise<void> {
    const life = await this.hibernation.takeOver(id);
    if (life) await this.hibernation.settle(life);
  }

  /** One that cannot be done does not stop the others; its lease, or the next round, brings it back. */
  private async each(
    signal: AbortSignal,
    ids: Iterable<string>,
    what: string,
    work: (id: string) => Promise<void>,
  ): Promise<void> {
    const left = [...ids];
    // A full batch is not the last one.
    if (left.length === BATCH) this.isWanted = true;
    const next = async (): Promise<void> => {
      for (let id = left.pop(); id !== undefined && !signal.aborted; id = left.pop()) {
        await work(id).catch((error: unknown) =>
          this.log.warn({ msg: 'a sandbox could not be reconciled', what, sandbox: id, err: error }),
        );
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, next));
  }
}
