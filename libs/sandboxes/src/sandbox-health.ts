import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Clock } from '#kernel';
import { Health } from '#platform';
import { SandboxProvider, type SandboxSupport } from './provider/sandbox-provider.js';

const LOOK_AGAIN_MS = 10_000;

/** Tells the server's health whether commands can run. The first look starts what runs them. */
@Injectable()
export class SandboxHealth implements OnModuleInit {
  private known: SandboxSupport | null = null;
  private lookedAt = -Infinity;

  constructor(
    private readonly health: Health,
    private readonly provider: SandboxProvider,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.health.addPart('sandboxes', () => this.describe());
  }

  private describe(): object {
    this.look();
    const { known } = this;
    if (!known) return { available: null };
    if (!known.isAvailable) return { available: false, reason: known.reason };
    return { available: true, level: known.level, uid: known.uid };
  }

  private look(): void {
    const now = this.clock.now();
    if (now - this.lookedAt < LOOK_AGAIN_MS) return;
    this.lookedAt = now;
    this.provider.support().then(
      (support) => (this.known = support),
      (error: Error) => (this.known = { isAvailable: false, reason: error.message }),
    );
  }
}
