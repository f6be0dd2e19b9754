import { setTimeout as pause } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { DomainError, faultPoint } from '#kernel';
import type { Principal } from '#platform';
import { type Checkout, CheckoutBuilder } from './checkout-builder.js';
import { Hibernation } from './hibernation.js';
import { LifeSteps } from './life-steps.js';
import { assertMovable, assertVersion, type Life, sandboxChanging, sessionArchived } from './life.js';

const WAIT_MS = 60_000;
const LOOK_MS = 100;

/** Gives coding sessions their directory with the repository checked out (sandbox-sessions.md §A12.1, §A13.3 row 2). */
@Injectable()
export class Provisioning {
  constructor(
    private readonly steps: LifeSteps,
    private readonly hibernation: Hibernation,
    private readonly builder: CheckoutBuilder,
  ) {}

  /**
   * Brings the sandbox up, whatever state it is in: waits for what is under way, wakes it when it rests, clones when it has
   * no directory. Errors: `conflict` when it is archived or changes for longer than a minute; `precondition_failed`;
   * `not_found` and `forbidden` when the caller may not read what is to be cloned; `upstream_failed` with the reason in
   * `lifecycleError` when it did not succeed, and the sandbox is `failed` then.
   */
  async bringUp(caller: Principal, id: string, checkout: Checkout, version: number | null): Promise<Life> {
    for (let seen = version; ; seen = null) {
      const life = await this.untilFree(id, seen);
      if (life.state === 'active') return life;
      try {
        const resumed = life.hasHandle ? await this.hibernation.resume(caller, id, seen).catch(whenLost) : null;
        // A lost sandbox has failed meanwhile, which is a version of its own.
        return resumed ?? (await this.provision(caller, id, checkout, life.hasHandle ? null : seen));
      } catch (error) {
        if (!isOvertaken(error)) throw error;
      }
    }
  }

  /** Errors: `not_found` and `forbidden` when the caller may not read it; `invalid_input` for an address not to call. */
  async assertMayHave(caller: Principal, checkout: Checkout): Promise<void> {
    await this.builder.prepare(caller, checkout);
  }

  /** The sandbox once nobody is at work on it; the failure of whoever was is the answer for those who waited, too. */
  private async untilFree(id: string, version: number | null): Promise<Life> {
    const until = performance.now() + WAIT_MS;
    for (let isFirst = true; ; isFirst = false) {
      const life = await this.steps.take(id, { caller: null, action: 'sandbox.provision' }, (now) => {
        if (isFirst) assertVersion(now, version);
        if (now.state === 'archived') throw sessionArchived();
        return null;
      });
      if (!isFirst && life.state === 'failed') throw notProvisioned(id);
      if (life.leaseId === null) return life;
      if (performance.now() > until) throw sandboxChanging(life);
      await pause(LOOK_MS);
    }
  }

  private async provision(caller: Principal, id: string, checkout: Checkout, version: number | null): Promise<Life> {
    const step = { caller, action: 'sandbox.provision' };
    const work = await this.builder.prepare(caller, checkout);
    const lease = this.steps.newLease();
    const life = await this.steps.take(id, step, (now) => {
      assertMovable(now, version);
      if (now.state === 'active') throw sandboxChanging(now);
      return { state: 'provisioning', lease, error: null, ...(checkout.cloneUrl && { cloneUrl: checkout.cloneUrl }) };
    });
    faultPoint('sandbox.provisioning');
    try {
      return await this.steps.complete(step, life, (signal) => work(life, signal));
    } catch (cause) {
      // Of one that is deleted by now nothing else is to be said.
      await this.steps.take(id, step, () => null);
      if (cause instanceof DomainError && cause.reason === 'lease_lost') throw cause;
      throw notProvisioned(id, cause);
    }
  }
}

/** Another request was faster: its sandbox is this one's too. */
function isOvertaken(error: unknown): boolean {
  return error instanceof DomainError && error.reason === 'sandbox_changing';
}

/** The session is named: it says why, and whoever had it made by this very request does not know it yet. */
function notProvisioned(sessionId: string, cause?: unknown): DomainError {
  return new DomainError('upstream_failed', 'Failed to provision sandbox', { cause, details: { sessionId } });
}

/** Its directory is gone: another is made. */
function whenLost(error: unknown): null {
  if (error instanceof DomainError && error.reason === 'sandbox_lost') return null;
  throw error;
}
