import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Clock } from '#kernel';
import { AppConfig, Health } from '#platform';
import { whatDoorsLack } from './egress/door-folder.js';
import { SandboxProvider, type SandboxSupport } from './provider/sandbox-provider.js';

const LOOK_AGAIN_MS = 10_000;

/** Tells the server's health whether commands can run. The first look starts what runs them. */
@Injectable()
export class SandboxHealth implements OnModuleInit {
  private known: SandboxSupport | null = null;
  private doorsLack: string | null = null;
  private lookedAt = -Infinity;

  constructor(
    private readonly health: Health,
    private readonly provider: SandboxProvider,
    private readonly clock: Clock,
    private readonly config: AppConfig,
  ) {}

  onModuleInit(): void {
    this.health.addPart('sandboxes', () => this.describe());
  }

  private describe(): object {
    this.look();
    const { known } = this;
    if (!known) return { available: null };
    if (!known.isAvailable) return { available: false, reason: known.reason };
    const lacks = this.doorsLack === null ? {} : { lacks: this.doorsLack };
    return { available: true, level: known.level, uid: known.uid, ...lacks };
  }

  private look(): void {
    const now = this.clock.now();
    if (now - this.lookedAt < LOOK_AGAIN_MS) return;
    this.lookedAt = now;
    void whatDoorsLack(this.config).then((lack) => (this.doorsLack = lack));
    this.provider.support().then(
      (support) => (this.known = support),
      (error: Error) => (this.known = { isAvailable: false, reason: error.message }),
    );
  }
}
