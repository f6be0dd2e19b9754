import { setTimeout as pause } from 'node:timers/promises';
import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { Clock } from '#kernel';
import type { SandboxPlace } from '../provider/sandbox-provider.js';
import { type Sandbox, sessionNotFound } from '../sandbox.js';
import { Hibernation } from './hibernation.js';
import { LifecycleRepository } from './lifecycle.repository.js';
import { type Life, notInitialized, sandboxChanging, sessionArchived } from './life.js';
import { LifeTimes } from './life-times.js';
import { SandboxPlaces } from './sandbox-places.js';
import { SandboxUses } from './sandbox-uses.js';

/** A use that lasts is a sign of life so often. */
const HEARTBEAT_MS = 20_000;
/** Signs of life of one sandbox that come closer together are not written down. */
const DEBOUNCE_MS = 5_000;
const WAIT_MS = 10_000;
const LOOK_MS = 50;

/** While it is held the sandbox is not hibernated for idleness. */
export interface SandboxUse {
  readonly place: SandboxPlace;
  /** Asks for an end: the sandbox is being stopped. What the provider started for this use is ended without it. */
  readonly signal: AbortSignal;
  /** Once everything the use started has ended. Safe to call twice. */
  release(): void;
}

/** The door to a sandbox for all who run something in it: active while it is used, at rest when it is not. */
@Injectable()
export class SandboxLifecycle implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger(SandboxLifecycle.name);
  private readonly touched = new Map<string, number>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly repository: LifecycleRepository,
    private readonly hibernation: Hibernation,
    private readonly uses: SandboxUses,
    private readonly places: SandboxPlaces,
    private readonly times: LifeTimes,
    private readonly clock: Clock,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => {
      this.postpone(this.uses.busy(), true).catch((error: unknown) =>
        this.log.warn({ msg: 'signs of life could not be written', err: error }),
      );
    }, HEARTBEAT_MS).unref();
  }

  beforeApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  /**
   * Where the sandbox's commands run; one at rest is resumed, one that just changes is waited for. Errors: `bad_request`
   * ("Sandbox not initialized"), `conflict` when it is archived or its change takes longer than ten seconds, `not_found`.
   */
  async ensureActive({ id }: Pick<Sandbox, 'id'>): Promise<SandboxPlace> {
    return this.places.open(await this.activate(id));
  }

  /** As `ensureActive`, with a mark that keeps the sandbox active until it is released. It is a sign of life, too. */
  async use({ id }: Pick<Sandbox, 'id'>): Promise<SandboxUse> {
    for (;;) {
      // The mark first: whoever makes the sandbox hibernate changes the state and then looks for marks.
      const { signal, end } = this.uses.begin(id);
      try {
        const life = await this.repository.find(id);
        if (life?.state === 'active') {
          if (this.clock.now() - (life.lastActivityAt?.getTime() ?? 0) >= DEBOUNCE_MS) await this.touch(life);
          return { place: await this.places.open(life), signal, release: end };
        }
      } catch (error) {
        end();
        throw error;
      }
      end();
      await this.activate(id);
    }
  }

  /** A sign of life: postpones hibernation. Answers false when the sandbox is not active, as far as it was looked up. */
  async touch({ id }: Pick<Sandbox, 'id'>): Promise<boolean> {
    const now = this.clock.now();
    if (now - (this.touched.get(id) ?? -Infinity) < DEBOUNCE_MS) return true;
    if (this.touched.size > 10_000) this.touched.clear();
    this.touched.set(id, now);
    return this.postpone([id], false);
  }

  /** As `touch`, written down each time. */
  async ping({ id }: Pick<Sandbox, 'id'>): Promise<boolean> {
    return this.postpone([id], false);
  }

  private async postpone(ids: readonly string[], isKept: boolean): Promise<boolean> {
    if (ids.length === 0) return false;
    const { lastActivityAt, hibernateAfter } = this.times.fromNow();
    return (await this.repository.touch(ids, lastActivityAt, hibernateAfter, isKept)).length > 0;
  }

  private async activate(id: string): Promise<Life> {
    const until = performance.now() + WAIT_MS;
    for (;;) {
      const life = await this.repository.find(id);
      if (!life) throw sessionNotFound();
      if (life.state === 'active') return life;
      if (life.state === 'archived') throw sessionArchived();
      if (life.leaseId === null) {
        if (!life.hasHandle) throw notInitialized();
        const resumed = await this.hibernation.resume(null, id, null).catch(whileChanging);
        if (resumed) return resumed;
      }
      if (performance.now() > until) throw sandboxChanging(life);
      await pause(LOOK_MS);
    }
  }
}

/** Another was faster. */
function whileChanging(error: unknown): null {
  if ((error as { reason?: string }).reason === 'sandbox_changing') return null;
  throw error;
}
