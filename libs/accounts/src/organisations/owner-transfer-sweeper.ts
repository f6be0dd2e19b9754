import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { OwnerTransfersService } from './owner-transfers.service.js';

const EVERY_MS = 600_000;

/** Ends owner transfers nobody answered, so that their end is written down even if nobody asks. Any node may. */
@Injectable()
export class OwnerTransferSweeper implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger(OwnerTransferSweeper.name);
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly transfers: OwnerTransfersService) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.sweep(), EVERY_MS).unref();
  }

  beforeApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  async sweep(): Promise<void> {
    try {
      await this.transfers.expireDue();
    } catch (error) {
      this.log.warn({ msg: 'owner transfers could not be swept', err: error });
    }
  }
}
