import { randomUUID } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import { Database, type Principal } from '#platform';
import { sessionNotFound } from '../sandbox.js';
import { SandboxJournal } from '../sandbox-journal.js';
import { SANDBOX_CHANGED, SANDBOX_STATE_CHANGED } from '../sandboxes.events.js';
import { LifecycleRepository } from './lifecycle.repository.js';
import { type Lease, leaseLost, type Life, type LifeChange } from './life.js';

/** A lease outlives the death of its holder by so long, and a holder that lives renews it three times meanwhile. */
const LEASE_MS = 15_000;

export interface Step {
  /** Null for what the server does by itself. */
  readonly caller: Principal | null;
  /** As the audit knows it, e.g. `sandbox.hibernate`. */
  readonly action: string;
}

/** The only writer of states. Each step decides on the row as it is, held, and compares and sets. */
@Injectable()
export class LifeSteps {
  private readonly log = new Logger(LifeSteps.name);

  constructor(
    private readonly db: Database,
    private readonly repository: LifecycleRepository,
    private readonly journal: SandboxJournal,
    private readonly clock: Clock,
  ) {}

  /**
   * Writes what `decide` answers, with event and audit; null leaves all as it is. What it throws undoes nothing but this
   * step. Errors: `not_found` for a sandbox that is destroyed.
   */
  take(id: string, step: Step, decide: (life: Life) => LifeChange | null): Promise<Life> {
    return this.db.transaction(async () => {
      const life = await this.repository.findLocked(id);
      if (!life) throw sessionNotFound();
      const change = decide(life);
      if (!change) return life;
      if (!(await this.repository.write(life, change, this.clock.date()))) throw leaseLost();
      await change.effect?.();
      await this.record(step, life, change);
      return (await this.repository.find(id)) ?? life;
    });
  }

  private async record({ caller, action }: Step, life: Life, change: LifeChange): Promise<void> {
    const { state, error } = change;
    if (state !== undefined && state !== life.state) {
      const facts = { from: life.state, to: state, ...(error && { error }) };
      await this.journal.record(caller, life, { event: SANDBOX_STATE_CHANGED, action }, facts);
    } else if (caller) {
      await this.journal.record(caller, life, { event: SANDBOX_CHANGED, action }, { fields: Object.keys(change) });
    }
  }

  /** As `take`, for what is of no use once the sandbox is destroyed. */
  async takeIfThere(id: string, step: Step, decide: (life: Life) => LifeChange | null): Promise<void> {
    await this.db.transaction(async () => {
      if (await this.repository.findLocked(id)) await this.take(id, step, decide);
    });
  }

  /**
   * The work that the lease of `life` was taken for, and the last step, which ends the lease. What goes wrong is told in
   * the state, as `failed` with the reason, and thrown on; `onFailure` is written then, too. Whoever lost the lease writes
   * nothing.
   */
  async complete(
    step: Step,
    life: Life,
    work: (signal: AbortSignal) => Promise<LifeChange>,
    onFailure: LifeChange = {},
  ): Promise<Life> {
    try {
      const change = await this.under(life, work);
      return await this.end(step, life, change);
    } catch (error) {
      await this.fail(life, error, onFailure);
      throw error;
    }
  }

  /** The last step of work under a lease. Errors: `conflict` (`lease_lost`), `not_found`. */
  end(step: Step, { id, leaseId }: Life, change: LifeChange): Promise<Life> {
    return this.take(id, step, (now) => {
      if (now.leaseId === null || now.leaseId !== leaseId) throw leaseLost();
      return { ...change, lease: null };
    });
  }

  /** Says truthfully that the work did not succeed, and why. */
  async fail({ id, leaseId }: Life, cause: unknown, change: LifeChange = {}): Promise<void> {
    const isOurs = cause instanceof DomainError && cause.code !== 'internal';
    if (!isOurs) this.log.error({ msg: 'lifecycle step failed', sandbox: id, err: cause });
    const error = isOurs ? cause.message : 'An internal error occurred';
    await this.takeIfThere(id, { caller: null, action: 'sandbox.fail' }, (now) => {
      if (now.leaseId === null || now.leaseId !== leaseId) return null;
      return { ...change, state: 'failed', error, lease: null, expiresAt: null, hibernateAfter: null };
    });
  }

  newLease(): Lease {
    const now = this.clock.now();
    return { id: `lifecycle:${now}:${randomUUID()}`, expiresAt: new Date(now + LEASE_MS) };
  }

  /**
   * Works under the lease that the sandbox has, renewing it. The signal says that it was lost: to a deletion, the
   * archive, or another process after this one stood still. Errors: those of `work`; what it fails of without a lease is
   * `conflict` (`lease_lost`), or `not_found` once the sandbox is destroyed.
   */
  async under<Result>(
    { id, leaseId }: Pick<Life, 'id' | 'leaseId'>,
    work: (signal: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    if (leaseId === null) throw new Error('Work on a sandbox needs a lease');
    const lost = new AbortController();
    const renew = async (): Promise<void> => {
      const lease = { id: leaseId, expiresAt: new Date(this.clock.now() + LEASE_MS) };
      if (!(await this.repository.renew(id, lease))) lost.abort(leaseLost());
    };
    // A renewal that fails is made up for by the next; with none the lease just ends.
    const timer = setInterval(() => void renew().catch(() => undefined), LEASE_MS / 3);
    try {
      return await work(lost.signal);
    } catch (error) {
      if (error instanceof DomainError) throw error;
      // With its lease a sandbox may lose its directory: whatever fails then, that is the reason.
      await renew().catch(() => undefined);
      if (!lost.signal.aborted) throw error;
      throw (await this.repository.find(id)) ? leaseLost() : sessionNotFound();
    } finally {
      clearInterval(timer);
    }
  }
}
