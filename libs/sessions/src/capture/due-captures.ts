import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { Clock } from '#kernel';
import { PeriodicTasks } from '#platform';
import { Conversations } from '#sandboxes';
import { CaptureAttempts } from './capture-attempts.js';

const EVERY_MS = 10_000;
const AGAIN_MS = 60_000;
const BATCH = 20;

/** Records what was put off once it is due, or about to be removed with its chat or sandbox. */
@Injectable()
export class DueCaptures implements OnModuleInit {
  private readonly log = new Logger(DueCaptures.name);

  constructor(
    private readonly tasks: PeriodicTasks,
    private readonly conversations: Conversations,
    private readonly attempts: CaptureAttempts,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.tasks.register({ name: 'sessions.record-due', everyMs: EVERY_MS, run: (signal) => this.round(signal) });
  }

  /** What cannot be recorded now is tried again later, and stops nothing else. */
  async round(signal: AbortSignal): Promise<void> {
    const now = this.clock.date();
    for (const ref of await this.conversations.due(now, BATCH)) {
      if (signal.aborted) return;
      try {
        await this.attempts.record(ref);
      } catch (error) {
        this.log.warn({ msg: 'a conversation could not be recorded yet', sandbox: ref.sandboxId, err: error });
        await this.conversations.putOff(ref, new Date(now.getTime() + AGAIN_MS), now);
      }
    }
  }
}
