import { Injectable } from '@nestjs/common';
import { Clock } from '#kernel';
import { AppConfig } from '#platform';
import { type LifeChange, restingHandle } from './life.js';

const MINUTE_MS = 60_000;
/** What one request for more time brings (sandbox-sessions.md §A12.2). */
export const EXTENSION_MS = 20 * MINUTE_MS;

/** How long sandboxes stay active (§A13.2). */
@Injectable()
export class LifeTimes {
  readonly idleMs: number;
  readonly lifetimeMs: number;
  private readonly retentionMs: number;

  constructor(
    config: AppConfig,
    private readonly clock: Clock,
  ) {
    this.idleMs = config.SANDBOX_IDLE_MINUTES * MINUTE_MS;
    this.lifetimeMs = config.SANDBOX_LIFETIME_MINUTES * MINUTE_MS;
    this.retentionMs = config.SANDBOX_RETENTION_HOURS * 60 * MINUTE_MS;
  }

  now(): number {
    return this.clock.now();
  }

  /** Of a sandbox that becomes active now. */
  fromNow(): { readonly lastActivityAt: Date; readonly hibernateAfter: Date; readonly expiresAt: Date } {
    const now = this.clock.now();
    return {
      lastActivityAt: new Date(now),
      hibernateAfter: new Date(now + this.idleMs),
      expiresAt: new Date(now + this.lifetimeMs),
    };
  }

  /** What becomes of a sandbox that is active from now on. `source`: what it was made of. */
  awake(id: string, source?: object): LifeChange {
    const times = this.fromNow();
    const providerState = { ...restingHandle(id), ...(source && { source }) };
    return { state: 'active', error: null, providerState, ...times };
  }

  /** When the directory goes of a sandbox that is destroyed now. */
  removeAfter(): Date {
    return new Date(this.clock.now() + this.retentionMs);
  }
}
