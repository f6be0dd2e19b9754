import { Injectable } from '@nestjs/common';
import { Clock, DomainError, faultPoint } from '#kernel';
import type { Principal } from '#platform';
import { SandboxSnapshots } from '../snapshots/sandbox-snapshots.js';
import { LifeSteps } from './life-steps.js';
import {
  assertMovable,
  isOverdue,
  type Life,
  type LifeChange,
  notInitialized,
  restingHandle,
  sandboxLost,
} from './life.js';
import { LifeTimes } from './life-times.js';
import { OwnDirectories } from './own-directories.js';
import { SandboxStopper } from './sandbox-stopper.js';
import { SandboxUses } from './sandbox-uses.js';

/** What is added while the sandbox is at a standstill; its change is part of the last step. */
export type AtStandstill = (life: Life, signal: AbortSignal) => Promise<LifeChange>;

const nothing: AtStandstill = () => Promise.resolve({});

/** Active sandboxes come to rest and back (sandbox-sessions.md §A13.3 rows 6 to 11, 16). Their directories stay. */
@Injectable()
export class Hibernation {
  constructor(
    private readonly steps: LifeSteps,
    private readonly stopper: SandboxStopper,
    private readonly uses: SandboxUses,
    private readonly directories: OwnDirectories,
    private readonly snapshots: SandboxSnapshots,
    private readonly times: LifeTimes,
    private readonly clock: Clock,
  ) {}

  /**
   * Ends what runs. A sandbox that is not active is left as it is, unless there is work to do at the standstill. Errors: `conflict` while it changes or when it is
   * archived; `precondition_failed`; what the standstill throws, and the sandbox is `failed` then.
   */
  async pause(caller: Principal | null, id: string, version: number | null, work = nothing): Promise<Life> {
    const { life, isBegun } = await this.begin(caller, id, 'hibernating', (now) => {
      assertMovable(now, version);
      if (!now.hasHandle) throw notInitialized();
      return now.state === 'active' || work !== nothing;
    });
    return isBegun ? this.bringToRest(caller, life, work) : life;
  }

  /** Pauses an active sandbox whose time is over, unless it is used. */
  async pauseOverdue(id: string): Promise<void> {
    const { life, isBegun } = await this.begin(null, id, 'hibernating', (now) => {
      return now.state === 'active' && isOverdue(now, this.clock.now()) && !this.uses.isBusy(id);
    });
    if (!isBegun) return;
    // A use that saw the sandbox active has left its mark by now.
    const wake = { caller: null, action: 'sandbox.wake' };
    if (this.uses.isBusy(id)) await this.steps.end(wake, life, this.times.awake(id));
    else await this.bringToRest(null, life, nothing);
  }

  /**
   * Makes a sandbox at rest active; an active one stays as it is. `work` prepares its directory, which `recover` has made
   * whole. Errors: `bad_request` when it was never provisioned; `conflict`; `precondition_failed`; `not_found` when
   * its directory is lost, and it has no snapshot.
   */
  async resume(caller: Principal | null, id: string, version: number | null, work = nothing): Promise<Life> {
    const { life, isBegun } = await this.begin(caller, id, 'restoring', (now) => {
      assertMovable(now, version);
      if (!now.hasHandle) throw notInitialized();
      return now.state !== 'active';
    });
    return isBegun ? this.bringBack(caller, life, work) : life;
  }

  /** Ends what another process began and did not live to end; the caller has taken its lease over. */
  async settle(life: Life): Promise<void> {
    const step = { caller: null, action: 'sandbox.settle' };
    if (life.state === 'provisioning')
      return this.steps.fail(life, new DomainError('unavailable', 'Provisioning was interrupted; try again'));
    const isInside = life.state === 'hibernating' || life.state === 'restoring';
    await this.steps.under(life, async () => {
      await this.stopper.stop(life.id);
      if (isInside) await this.directories.recover(life);
    });
    const handle = life.state === 'archived' && life.hasHandle ? { providerState: restingHandle(life.id) } : {};
    await this.steps.end(step, life, isInside ? atRest(life) : { isStopping: false, ...handle });
  }

  /** Takes over a sandbox that nobody is at work on but should be; null when somebody is, or nothing is left to do. */
  async takeOver(id: string): Promise<Life | null> {
    const lease = this.steps.newLease();
    const life = await this.steps.take(id, { caller: null, action: 'sandbox.settle' }, (now) => {
      const isAbandoned = now.leaseExpiresAt !== null && now.leaseExpiresAt.getTime() <= this.clock.now();
      return isAbandoned || (now.isStopping && now.leaseId === null) ? { lease } : null;
    });
    return life.leaseId === lease.id ? life : null;
  }

  private async begin(
    caller: Principal | null,
    id: string,
    state: 'hibernating' | 'restoring',
    isDue: (life: Life) => boolean,
  ): Promise<{ life: Life; isBegun: boolean }> {
    const lease = this.steps.newLease();
    const action = state === 'hibernating' ? 'sandbox.hibernate' : 'sandbox.restore';
    const life = await this.steps.take(id, { caller, action }, (now) =>
      isDue(now) ? { state, lease, error: null } : null,
    );
    return { life, isBegun: life.leaseId === lease.id };
  }

  private async bringToRest(caller: Principal | null, life: Life, work: AtStandstill): Promise<Life> {
    faultPoint('sandbox.hibernating');
    const step = { caller, action: 'sandbox.hibernate' };
    const stop = async (signal: AbortSignal): Promise<LifeChange> => {
      await this.stopper.stop(life.id);
      faultPoint('sandbox.stopped');
      return { ...(await work(life, signal)), ...atRest(life) };
    };
    return this.steps.complete(step, life, stop, { isStopping: true });
  }

  private async bringBack(caller: Principal | null, life: Life, work: AtStandstill): Promise<Life> {
    faultPoint('sandbox.restoring');
    const step = { caller, action: 'sandbox.restore' };
    return this.steps.complete(step, life, async (signal) => {
      await this.directories.recover(life);
      // What ran when the sandbox failed may run on.
      if (life.isStopping) await this.stopper.stop(life.id);
      const added = await work(life, signal);
      if (life.snapshotDigest !== null && !(await this.directories.exists(life)))
        await this.snapshots.restore(life, signal);
      if (!(await this.directories.exists(life))) throw sandboxLost();
      return { ...this.times.awake(life.id), isStopping: false, ...added };
    });
  }
}

function atRest({ id }: Life): LifeChange {
  return {
    state: 'hibernated',
    isStopping: false,
    providerState: restingHandle(id),
    expiresAt: null,
    hibernateAfter: null,
  };
}
