import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Injectable } from '@nestjs/common';
import { UsersService } from '#accounts';
import { DomainError, faultPoint, onDisk } from '#kernel';
import { AppConfig, type Principal } from '#platform';
import { RepoCheckouts } from '#repos';
import { CHECKOUT } from '../coding-sessions/checkout.js';
import { Workspaces } from '../workspace/workspaces.js';
import type { Life, LifeChange } from './life.js';
import { LifeTimes } from './life-times.js';
import { OwnDirectories } from './own-directories.js';

const MAX_FILES = 500_000;

/** What a coding session is provisioned with. */
export interface Checkout {
  /** What is cloned; null for an empty repository. */
  readonly cloneUrl: string | null;
  readonly branch: string | null;
  readonly isNewBranch: boolean;
}

/** Builds the directory of a coding session: its repository checked out, and nothing that leads back to where it is from. */
@Injectable()
export class CheckoutBuilder {
  constructor(
    private readonly checkouts: RepoCheckouts,
    private readonly users: UsersService,
    private readonly directories: OwnDirectories,
    private readonly workspaces: Workspaces,
    private readonly times: LifeTimes,
    private readonly config: AppConfig,
  ) {}

  /**
   * Looks whether the caller may have it before anything is begun, and answers the work for whoever holds the sandbox's
   * lease. Errors: those of `RepoCheckouts.sourceOf`, but for a server that is not found: that one, and those of
   * `checkOut`, are the work's, for the session to say.
   */
  async prepare(
    caller: Principal,
    { cloneUrl, branch, isNewBranch }: Checkout,
  ): Promise<(life: Life, signal: AbortSignal) => Promise<LifeChange>> {
    const source = cloneUrl === null ? null : await this.checkouts.sourceOf(caller, cloneUrl).catch(whenNotFound);
    const { displayName, email } = await this.users.get(caller.userId);
    const author = { name: displayName?.trim() || caller.accountSlug, email };
    const names = isNewBranch ? { branch: null, newBranch: branch } : { branch, newBranch: null };
    const { SANDBOX_MAX_CLONE_BYTES: maxBytes, SANDBOX_CLONE_SECONDS: seconds } = this.config;
    const limits = { maxBytes, maxFiles: MAX_FILES, seconds };
    return async (life, signal) => {
      if (source instanceof DomainError) throw source;
      const built = await this.directories.build(life);
      try {
        const target = join(built, CHECKOUT);
        await onDisk(() => mkdir(target));
        const request = { target, origin: cloneUrl, author, ...names, ...limits };
        const made = await this.checkouts.checkOut(request, source, signal);
        faultPoint('sandbox.cloned');
        signal.throwIfAborted();
        await this.workspaces.handOver(built);
        await this.directories.replace(life, built);
        faultPoint('sandbox.provisioned');
        const origin = { ...(cloneUrl !== null && { repo: cloneUrl }), branch: made.branch };
        return { ...this.times.awake(life.id, origin), branch: made.branch, commit: made.commit };
      } finally {
        await this.directories.discard(built);
      }
    };
  }
}

function whenNotFound(error: unknown): DomainError {
  if (error instanceof DomainError && (error.code === 'upstream_failed' || error.code === 'timeout')) return error;
  throw error;
}
