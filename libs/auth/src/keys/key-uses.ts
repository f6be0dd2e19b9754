import { Injectable, Logger, type OnApplicationBootstrap, type BeforeApplicationShutdown } from '@nestjs/common';
import { Clock } from '#kernel';
import { KeysRepository } from './keys.repository.js';

const FLUSH_MS = 5_000;

/** Remembers when and from where keys were used; written behind, one statement for all of them. */
@Injectable()
export class KeyUses implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger(KeyUses.name);
  private pending = new Map<string, { keyId: string; at: Date; address: string | null }>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly keys: KeysRepository,
    private readonly clock: Clock,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.flush(), FLUSH_MS).unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.flush();
  }

  note(keyId: string, address: string | null): void {
    this.pending.set(keyId, { keyId, at: this.clock.date(), address });
  }

  private async flush(): Promise<void> {
    if (this.pending.size === 0) return;
    const uses = [...this.pending.values()];
    this.pending = new Map();
    try {
      await this.keys.recordUse(uses);
    } catch (error) {
      this.log.warn({ msg: 'last use of keys could not be written', keys: uses.length, err: error });
    }
  }
}
