import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { IdempotencyRepository } from './idempotency.repository.js';

const EVERY_MS = 600_000;

/** Removes idempotency records a day after their request. Every node may do it at any time. */
@Injectable()
export class IdempotencySweeper implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger(IdempotencySweeper.name);
  private timer: NodeJS.Timeout | undefined;
  private isStopped = false;

  constructor(private readonly records: IdempotencyRepository) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.sweep(), EVERY_MS).unref();
  }

  beforeApplicationShutdown(): void {
    this.isStopped = true;
    clearInterval(this.timer);
  }

  async sweep(): Promise<void> {
    try {
      for (let removed = -1; removed !== 0 && !this.isStopped;) removed = await this.records.sweep();
    } catch (error) {
      this.log.warn({ msg: 'idempotency records could not be swept', err: error });
    }
  }
}
