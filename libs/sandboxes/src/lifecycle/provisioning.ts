import { setTimeout as pause } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { DomainError, faultPoint } from '#kernel';
import type { Principal } from '#platform';
import { type Checkout, CheckoutBuilder } from './checkout-builder.js';
import { Hibernation } from './hibernation.js';
import { LifeSteps } from './life-steps.js';
import { assertVersion, type Life, sandboxChanging, sessionArchived } from './life.js';

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
    const life = await this.untilFree(id, version);
    if (life.state === 'active') return life;
    if (life.hasHandle) {
      const resumed = await this.hibernation.resume(caller, id, life.version).catch(whenLost);
      if (resumed) return resumed;
    }
    return this.provision(caller, id, checkout);
  }

  /** The sandbox once nobody is at work on it. */
  private async untilFree(id: string, version: number | null): Promise<Life> {
    const until = performance.now() + WAIT_MS;
    for (let isFirst = true; ; isFirst = false) {
      const life = await this.steps.take(id, { caller: null, action: 'sandbox.provision' }, (now) => {
        if (isFirst) assertVersion(now, version);
        if (now.state === 'archived') throw sessionArchived();
        return null;
      });
      if (life.leaseId === null) return life;
      if (performance.now() > until) throw sandboxChanging(life);
      await pause(LOOK_MS);
    }
  }

  private async provision(caller: Principal, id: string, checkout: Checkout): Promise<Life> {
    const step = { caller, action: 'sandbox.provision' };
    const work = await this.builder.prepare(caller, checkout);
    const lease = this.steps.newLease();
    const life = await this.steps.take(id, step, (now) => {
      if (now.state === 'archived') throw sessionArchived();
      if (now.leaseId !== null || now.state === 'active') return null;
      return { state: 'provisioning', lease, error: null, ...(checkout.cloneUrl && { cloneUrl: checkout.cloneUrl }) };
    });
    // Another request was faster: its sandbox is this one's too.
    if (life.leaseId !== lease.id) return this.bringUp(caller, id, checkout, null);
    faultPoint('sandbox.provisioning');
    try {
      return await this.steps.complete(step, life, (signal) => work(life, signal));
    } catch (cause) {
      if (cause instanceof DomainError && cause.reason === 'lease_lost') throw cause;
      throw new DomainError('upstream_failed', 'Failed to provision sandbox', { cause });
    }
  }
}

/** Its directory is gone: another is made. */
function whenLost(error: unknown): null {
  if (error instanceof DomainError && error.reason === 'sandbox_lost') return null;
  throw error;
}
