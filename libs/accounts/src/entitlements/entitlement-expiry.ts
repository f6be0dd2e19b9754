import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { AppConfig } from '#platform';
import { EntitlementsService } from './entitlements.service.js';

const EVERY_MS = 60_000;

/** Writes down which tiers are over; gates have counted them as over all along. Every node may do it at any time. */
@Injectable()
export class EntitlementExpiry implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger(EntitlementExpiry.name);
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly entitlements: EntitlementsService,
    private readonly config: AppConfig,
  ) {}

  onApplicationBootstrap(): void {
    if (this.config.APP_MODE === 'api') return;
    this.timer = setInterval(() => {
      this.running = this.sweep();
    }, EVERY_MS).unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.running;
  }

  async sweep(): Promise<void> {
    try {
      await this.entitlements.expireDue();
    } catch (error) {
      this.log.warn({ msg: 'expired tiers could not be swept', err: error });
    }
  }
}
