import { Injectable } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import type { Principal } from '#platform';
import { CloneHosts } from '../coding-sessions/clone-url.js';
import type { CodingSession } from '../coding-sessions/coding-session.js';
import { CodingSessionCreation } from '../coding-sessions/coding-session-creation.js';
import { CodingSessionsService } from '../coding-sessions/coding-sessions.service.js';
import type { Checkout } from './checkout-builder.js';
import { Provisioning } from './provisioning.js';

/** What is asked for with `POST /api/sandbox` (sandbox-sessions.md §A12.1, A12.2). */
export interface NewSandbox {
  /** Null for a session made for it: nothing runs that has no name. */
  readonly sessionId: string | null;
  /** Null for the session's own repository. */
  readonly repoUrl: string | null;
  readonly branch: string | null;
  readonly isNewBranch: boolean;
}

/** Brings the sandboxes of coding sessions up. */
@Injectable()
export class CodingSandboxesService {
  constructor(
    private readonly sessions: CodingSessionsService,
    private readonly creation: CodingSessionCreation,
    private readonly provisioning: Provisioning,
    private readonly hosts: CloneHosts,
    private readonly clock: Clock,
  ) {}

  /**
   * Answers once the session's sandbox is active. What is cloned is the session's repository; one that has none takes
   * `repoUrl`. Errors: `invalid_input` for another repository than the session's, `not_found`, `forbidden`, `conflict`,
   * `precondition_failed`; `upstream_failed` when it did not succeed, with the reason in the session.
   */
  async provision(
    caller: Principal,
    input: NewSandbox,
    version: number | null,
  ): Promise<{ session: CodingSession; readyMs: number; now: number }> {
    const started = performance.now();
    const repoUrl = input.repoUrl === null ? null : this.checked(input.repoUrl);
    const { id, ...seen } = await this.sessionFor(caller, input, repoUrl);
    const checkout = toCheckout(seen, input, repoUrl);
    if (checkout.cloneUrl !== null) this.checked(checkout.cloneUrl);
    if (repoUrl !== null && Object.hasOwn(seen.providerState, 'sandboxName')) assertHolds(seen, repoUrl);
    await this.provisioning.bringUp(caller, id, checkout, version);
    const readyMs = Math.round(performance.now() - started);
    const session = await this.sessions.get(caller, id);
    // What came up for another request may hold something else.
    if (repoUrl !== null) assertHolds(session, repoUrl);
    return { session, readyMs, now: this.clock.now() };
  }

  private async sessionFor(caller: Principal, input: NewSandbox, cloneUrl: string | null): Promise<CodingSession> {
    if (input.sessionId !== null) return this.sessions.get(caller, input.sessionId);
    const { branch, isNewBranch } = input;
    // No session is left behind for what its caller may not have.
    await this.provisioning.assertMayHave(caller, { cloneUrl, branch, isNewBranch });
    const nothing = { title: null, repoOwner: null, repoName: null, organizationId: null, artistId: null };
    return (await this.creation.create(caller, { ...nothing, cloneUrl, branch, isNewBranch })).session;
  }

  private checked(url: string): string {
    try {
      return this.hosts.check(url, 'repoUrl');
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      const details = { cause: error.message };
      throw new DomainError('invalid_input', 'repoUrl must be a valid GitHub repository URL', {
        field: 'repoUrl',
        details,
      });
    }
  }
}

/** The session decides; what it leaves open, the request may say. */
function toCheckout(session: Omit<CodingSession, 'id'>, input: NewSandbox, repoUrl: string | null): Checkout {
  const { repoOwner, repoName } = session;
  const named = repoOwner !== null && repoName !== null ? `https://github.com/${repoOwner}/${repoName}` : null;
  const stored = session.cloneUrl ?? named;
  if (stored !== null && repoUrl !== null && !isSame(stored, repoUrl)) throw anotherRepository();
  const isOpen = session.branch === null;
  const isNewBranch = session.isNewBranch || (isOpen && input.isNewBranch);
  const branch = session.branch ?? input.branch;
  if (isNewBranch && branch === null) throw new DomainError('invalid_input', 'Invalid branch', { field: 'branch' });
  return { cloneUrl: stored ?? repoUrl, branch, isNewBranch };
}

function assertHolds({ cloneUrl }: Pick<CodingSession, 'cloneUrl'>, repoUrl: string): void {
  if (cloneUrl === null || !isSame(cloneUrl, repoUrl)) throw anotherRepository();
}

function anotherRepository(): DomainError {
  return new DomainError('invalid_input', 'repoUrl is not the repository of the session', { field: 'repoUrl' });
}

function isSame(one: string, other: string): boolean {
  const plain = (url: string): string => url.toLowerCase().replace(/(?:\.git)?\/*$/, '');
  return plain(one) === plain(other);
}
