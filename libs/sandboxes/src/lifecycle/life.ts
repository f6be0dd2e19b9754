import { DomainError } from '#kernel';
import type { SandboxState } from '../sandbox.js';
import type { FileAccess } from '../scope/file-access.js';
import type { SessionSkill } from '../skills/skill.js';

/** The right to bring a sandbox from one state to another; it ends by itself when its holder does not renew it. */
export interface Lease {
  readonly id: string;
  readonly expiresAt: Date;
}

/** A sandbox as its lifecycle sees it (sandbox-sessions.md §A13), whichever surface it was made on. */
export interface Life {
  readonly id: string;
  readonly surface: 'agent' | 'coding';
  readonly accountId: string;
  readonly userId: string;
  readonly state: SandboxState | null;
  /** One more after every write of the lifecycle. Signs of life are none: they move `hibernateAfter` only. */
  readonly version: number;
  readonly error: string | null;
  /** Somebody is at work on it. `provisioning` without a lease only waits to be asked for. */
  readonly leaseId: string | null;
  readonly leaseExpiresAt: Date | null;
  readonly lastActivityAt: Date | null;
  /** Whether a directory was ever provisioned for it. */
  readonly hasHandle: boolean;
  /** Processes may be left although the state says there are none. */
  readonly isStopping: boolean;
  /** When an active sandbox is stopped whether or not it is used. */
  readonly expiresAt: Date | null;
  /** When an active sandbox is stopped unless it is used. */
  readonly hibernateAfter: Date | null;
  readonly snapshotDigest: string | null;
  readonly snapshotUrl: string | null;
  /** Null for a sandbox that sees its own directory only. */
  readonly fileAccess: FileAccess | null;
  /** What it was made with. */
  readonly skills: readonly SessionSkill[];
  /** When an agent session stops existing. */
  readonly endsAt: Date | null;
}

/** What one step of the lifecycle writes; what is left out stays. */
export interface LifeChange {
  readonly state?: SandboxState | null;
  readonly error?: string | null;
  readonly lease?: Lease | null;
  readonly isStopping?: boolean;
  readonly lastActivityAt?: Date;
  readonly expiresAt?: Date | null;
  readonly hibernateAfter?: Date | null;
  readonly providerState?: Readonly<Record<string, unknown>>;
  readonly branch?: string | null;
  /** That was checked out. */
  readonly commit?: string | null;
  readonly cloneUrl?: string;
  readonly snapshot?: LifeSnapshot;
  /** Written with it, in the same transaction. */
  readonly effect?: () => Promise<void>;
}

export interface LifeSnapshot {
  readonly url: string;
  readonly digest: string;
  readonly bytes: number;
  readonly createdAt: Date;
}

/** The safety margin before the hard end (§A13.2). */
export const EXPIRY_BUFFER_MS = 10_000;

/** Whether an active sandbox is to be stopped now. */
export function isOverdue(
  { hibernateAfter, expiresAt }: Pick<Life, 'hibernateAfter' | 'expiresAt'>,
  now: number,
): boolean {
  const due = Math.min(hibernateAfter?.getTime() ?? Infinity, (expiresAt?.getTime() ?? Infinity) - EXPIRY_BUFFER_MS);
  return due <= now;
}

/**
 * Whether a caller may have the sandbox paused, resumed or provisioned now. `version` is what the caller has seen, null for
 * whatever there is. Errors: `precondition_failed`; `conflict` when it is archived or somebody is at work on it.
 */
export function assertMovable(life: Life, version: number | null): void {
  assertVersion(life, version);
  if (life.state === 'archived') throw sessionArchived();
  if (life.leaseId !== null) throw sandboxChanging(life);
}

/** Errors: `precondition_failed` with the current version. */
export function assertVersion(life: Pick<Life, 'version'>, version: number | null): void {
  if (version === null || version === life.version) return;
  throw new DomainError('precondition_failed', 'The session was changed meanwhile', {
    details: { lifecycleVersion: life.version },
    headers: { ETag: `"${life.version}"` },
  });
}

/** The handle that stays when nothing runs (§A12.4). */
export function restingHandle(id: string): Readonly<Record<string, unknown>> {
  return { type: 'vercel', sandboxName: sandboxName(id) };
}

export function sandboxName(id: string): string {
  return `session-${id}`;
}

export const notInitialized = (): DomainError => new DomainError('bad_request', 'Sandbox not initialized');

export const sessionArchived = (): DomainError =>
  new DomainError('conflict', 'The session is archived; unarchive it first', { reason: 'session_archived' });

export const sandboxChanging = ({ state }: Pick<Life, 'state'>): DomainError =>
  new DomainError('conflict', `Sandbox is ${state ?? 'changing'}, try again in a few seconds.`, {
    reason: 'sandbox_changing',
  });

/** Nothing is left to wake up. */
export const sandboxLost = (): DomainError =>
  new DomainError('not_found', 'Saved sandbox is no longer available. Create a new sandbox.', {
    reason: 'sandbox_lost',
  });

/** Its session was archived or deleted, or the time it had is over and another took the work over. */
export const leaseLost = (): DomainError =>
  new DomainError('conflict', 'The session was changed meanwhile', { reason: 'lease_lost' });
