import { Injectable, Logger, type OnApplicationBootstrap, type BeforeApplicationShutdown } from '@nestjs/common';
import { Clock } from '#kernel';
import { type EndingSession, PinnedSessionsRepository } from './pinned-sessions.repository.js';
import { SessionLifecycle } from './session-lifecycle.js';
import { TrackedWrites } from './tracked-writes.js';

const ROUND_MS = 5_000;
const BATCH = 200;
/** How long the status of an ended session can still be read. */
const TOMBSTONE_MS = 25 * 3_600_000;

/** Ends sessions nobody uses any more, with their final flush, and removes old tombstones. Safe on every node at once. */
@Injectable()
export class SessionUpkeep implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger(SessionUpkeep.name);
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;

  constructor(
    private readonly sessions: PinnedSessionsRepository,
    private readonly lifecycle: SessionLifecycle,
    private readonly writes: TrackedWrites,
    private readonly clock: Clock,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.tick(), ROUND_MS).unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.running;
  }

  /** One at a time: a slow database must not pile them up. */
  private async tick(): Promise<void> {
    if (this.running) return;
    this.running = this.round();
    await this.running;
    this.running = undefined;
  }

  private async round(): Promise<void> {
    try {
      for (const session of await this.sessions.listEnding(this.clock.date(), BATCH)) await this.end(session);
      await this.sessions.deleteEndedBefore(new Date(this.clock.now() - TOMBSTONE_MS), BATCH);
    } catch (error) {
      this.log.warn({ msg: 'upkeep of pinned sessions failed; the next round tries again', err: error });
    }
  }

  private async end({ id, accountId, reason }: EndingSession): Promise<void> {
    await this.lifecycle.end(id, accountId, reason);
    await this.writes.flush(id);
  }
}
