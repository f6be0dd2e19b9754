import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import type { Principal } from '#platform';
import type { CodingSession } from '../coding-sessions/coding-session.js';
import { CodingSessionsService } from '../coding-sessions/coding-sessions.service.js';
import { Hibernation } from './hibernation.js';
import { LifeSteps } from './life-steps.js';
import {
  assertMovable,
  assertVersion,
  isOverdue,
  type Life,
  type LifeChange,
  notInitialized,
  sandboxLost,
  sandboxName,
} from './life.js';
import { EXTENSION_MS, LifeTimes } from './life-times.js';
import { OwnDirectories } from './own-directories.js';
import { SandboxLifecycle } from './sandbox-lifecycle.js';
import { SandboxReconciler } from './sandbox-reconciler.js';
import { SandboxSnapshots } from '../snapshots/sandbox-snapshots.js';

export interface SeenSession {
  readonly session: CodingSession;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
}

export interface Resumed {
  /** The snapshot, or the sandbox that slept. */
  readonly restoredFrom: string;
  readonly wasRunning: boolean;
}

/** What clients ask about and do to the sandbox of a coding session (sandbox-sessions.md §A12). */
@Injectable()
export class CodingLifecycleService {
  constructor(
    private readonly sessions: CodingSessionsService,
    private readonly steps: LifeSteps,
    private readonly hibernation: Hibernation,
    private readonly lifecycle: SandboxLifecycle,
    private readonly directories: OwnDirectories,
    private readonly reconciler: SandboxReconciler,
    private readonly snapshots: SandboxSnapshots,
    private readonly times: LifeTimes,
  ) {}

  /** What is stored, for polling; what is overdue is seen to. Errors: `not_found`, `forbidden`. */
  async status(caller: Principal, id: string): Promise<SeenSession> {
    const session = await this.sessions.get(caller, id);
    const now = this.times.now();
    if (session.state === 'active' && isOverdue(session, now)) this.reconciler.wake();
    return { session, now };
  }

  /** As `status`, having looked whether what is said to be there is. */
  async reconnect(caller: Principal, id: string): Promise<SeenSession> {
    const { session, now } = await this.status(caller, id);
    if (session.state !== 'active' || (await this.directories.exists(session))) return { session, now };
    await this.hibernation.pause(null, id, null).catch(whileChanging);
    return { session: await this.sessions.get(caller, id), now };
  }

  /** Ends what runs; the directory stays. False when nothing ran. Errors: `conflict`, `precondition_failed`. */
  async stop(caller: Principal, id: string, version: number | null): Promise<boolean> {
    const session = await this.sessions.get(caller, id);
    assertVersion(session, version);
    if (session.state === 'archived' || (session.state !== 'active' && session.leaseId === null)) return false;
    const paused = await this.hibernation.pause(caller, id, version);
    return paused.version !== session.version;
  }

  /** Twenty minutes more. Errors: `bad_request` unless it is active; `conflict`, `precondition_failed`. */
  async extend(caller: Principal, id: string, version: number | null): Promise<Date> {
    await this.sessions.get(caller, id);
    const life = await this.steps.take(id, { caller, action: 'sandbox.extend' }, (now) => {
      assertMovable(now, version);
      if (now.state !== 'active') throw notInitialized();
      const { lastActivityAt, hibernateAfter } = this.times.fromNow();
      const expiresAt = new Date((now.expiresAt ?? lastActivityAt).getTime() + EXTENSION_MS);
      return { expiresAt, lastActivityAt, hibernateAfter };
    });
    return life.expiresAt!;
  }

  /** A sign of life. False when the sandbox is not active, so that it counts for nothing. */
  async ping(caller: Principal, id: string): Promise<boolean> {
    return this.lifecycle.ping(await this.sessions.get(caller, id));
  }

  /**
   * Stops the sandbox, if it runs, and keeps a copy of its directory in the place of the last one. Errors: `bad_request`
   * for one never provisioned, `conflict`, `precondition_failed`, `operation_failed`.
   */
  async pause(caller: Principal, id: string, version: number | null): Promise<CodingSession> {
    await this.sessions.get(caller, id);
    await failing('Failed to pause sandbox', () =>
      this.hibernation.pause(caller, id, version, (life, signal) => this.snapshots.take(life, signal)),
    );
    return this.sessions.get(caller, id);
  }

  /**
   * Wakes the sandbox up as it was left; from its snapshot when its directory is lost, or when the snapshot is named: what
   * came after it is gone then, and what runs is ended. Errors: `not_found`, `conflict`, `precondition_failed`,
   * `operation_failed`.
   */
  async resume(caller: Principal, id: string, snapshotId: string | null, version: number | null): Promise<Resumed> {
    const session = await this.sessions.get(caller, id);
    if (session.state !== 'archived' && !('sandboxName' in session.providerState))
      throw new DomainError('not_found', 'No sandbox available for resume');
    if (snapshotId !== null && snapshotId !== session.snapshotUrl) throw sandboxLost();
    let restoredFrom = sandboxName(id);
    const prepare = async (life: Life, signal: AbortSignal): Promise<LifeChange> => {
      if (snapshotId === null && (life.snapshotDigest === null || (await this.directories.exists(life)))) return {};
      await this.snapshots.restore(life, signal);
      restoredFrom = life.snapshotUrl ?? restoredFrom;
      return {};
    };
    const life = await failing('Failed to restore snapshot', async () => {
      const isPaused = snapshotId !== null && session.state === 'active';
      const seen = isPaused ? (await this.hibernation.pause(caller, id, version)).version : version;
      return this.hibernation.resume(caller, id, seen, prepare);
    });
    return { restoredFrom, wasRunning: life.version === session.version };
  }
}

/** Whoever is at work on it makes it what is told then. */
function whileChanging(error: unknown): null {
  if (error instanceof DomainError && error.code === 'conflict') return null;
  throw error;
}

const SAID = new Set(['bad_request', 'conflict', 'not_found', 'precondition_failed']);

/** What the caller could not have known is told in the surface's own words. */
async function failing<Result>(what: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    if (SAID.has(error.code)) throw error;
    throw new DomainError('operation_failed', `${what}: ${error.message}`, { cause: error });
  }
}
