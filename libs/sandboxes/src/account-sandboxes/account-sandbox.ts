import { createHash } from 'node:crypto';
import { DomainError } from '#kernel';
import type { SandboxState } from '../sandbox.js';

/** A snapshot of a directory, as new sandboxes may begin with it. */
export interface AccountSnapshot {
  /** What clients call it. */
  readonly url: string;
  readonly digest: string;
  readonly bytes: number;
  readonly createdAt: Date;
}

/** What the sandboxes of an account begin with. */
export interface AccountHome {
  readonly repoId: string | null;
  readonly snapshot: AccountSnapshot | null;
}

/** A sandbox in the list of an account's. */
export interface ListedAccountSandbox {
  readonly id: string;
  readonly state: SandboxState | null;
  readonly createdAt: Date;
  /** When it is stopped unless it is extended; null while it does not run. */
  readonly expiresAt: Date | null;
}

/** What a repeated creation is known by. */
export interface CreationKey {
  readonly key: string;
  /** Of everything that was asked for. */
  readonly hash: string;
}

/** A command for a new sandbox. */
export interface SandboxLine {
  readonly argv: readonly string[];
  /** Below the checkout; empty for the checkout itself. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutSeconds: number | null;
  readonly isBackground: boolean;
}

/** Who holds the blobs of an account's snapshot. */
export const ACCOUNT_SNAPSHOT_HOLDER = 'account_snapshot';

/** The key is the credential's: another one of the account that happens to use the same text means something else. */
export function toCreationKey(keyId: string, key: string, asked: unknown): CreationKey {
  return { key: `${keyId} ${key}`, hash: createHash('sha256').update(JSON.stringify(asked)).digest('hex') };
}

export function noSandbox(): DomainError {
  return new DomainError('not_found', 'The account has no sandbox: create one with POST /api/sandboxes', {
    reason: 'no_sandbox',
  });
}
