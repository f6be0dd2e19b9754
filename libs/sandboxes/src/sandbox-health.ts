import { setTimeout as pause } from 'node:timers/promises';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Clock } from '#kernel';
import { AppConfig, Health } from '#platform';
import { whatDoorsLack } from './egress/door-folder.js';
import { type LimitLevel, SandboxProvider, type SandboxSupport } from './provider/sandbox-provider.js';

const LOOK_AGAIN_MS = 10_000;
/** How long the first one may keep somebody waiting: it starts a process. */
const FIRST_LOOK_MS = 2_000;

/** Tells the server's health whether commands can run. The first look starts what runs them. */
@Injectable()
export class SandboxHealth implements OnModuleInit {
  private known: SandboxSupport | null = null;
  private doorsLack: string | null = null;
  private lookedAt = -Infinity;
  private looking: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly health: Health,
    private readonly provider: SandboxProvider,
    private readonly clock: Clock,
    private readonly config: AppConfig,
  ) {}

  onModuleInit(): void {
    this.health.addPart('sandboxes', () => this.describe());
  }

  /** How the limits of sandboxes are kept; null while that is not known, and where none can run. */
  async level(): Promise<LimitLevel | null> {
    this.look();
    if (!this.known) await Promise.race([this.looking, pause(FIRST_LOOK_MS, undefined, { ref: false })]);
    return this.known?.isAvailable ? this.known.level : null;
  }

  private describe(): object {
    this.look();
    const { known } = this;
    if (!known) return { available: null };
    if (!known.isAvailable) return { available: false, reason: known.reason };
    const lacks = [known.lacks, this.doorsLack].filter((lack) => lack !== null);
    return {
      available: true,
      level: known.level,
      uid: known.uid,
      ...(lacks.length > 0 && { lacks: lacks.join('; ') }),
    };
  }

  private look(): void {
    const now = this.clock.now();
    if (now - this.lookedAt < LOOK_AGAIN_MS) return;
    this.lookedAt = now;
    void whatDoorsLack(this.config).then((lack) => (this.doorsLack = lack));
    this.looking = this.provider.support().then(
      (support) => (this.known = support),
      (error: Error) => (this.known = { isAvailable: false, reason: error.message }),
    );
  }
}
