import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import { Blobs, Database, type Principal } from '#platform';
import type { SentMessage } from '../chat-runs/chat-run.js';
import { ChatStartsService, type HeadlessRun } from '../chat-runs/chat-starts.service.js';
import type { CodingSession } from '../coding-sessions/coding-session.js';
import { CodingSessionCreation } from '../coding-sessions/coding-session-creation.js';
import { CodingSessionsService } from '../coding-sessions/coding-sessions.service.js';
import { CodingSandboxesService } from '../lifecycle/coding-sandboxes.service.js';
import { SNAPSHOT_HOLDER } from '../lifecycle/sandbox-ends.js';
import { AccountHomesRepository } from './account-homes.repository.js';
import { AccountRepositories } from './account-repositories.js';
import { ACCOUNT_SNAPSHOT_HOLDER, type CreationKey } from './account-sandbox.js';

export interface SandboxPrompt {
  readonly messages: readonly SentMessage[];
  readonly model: string | null;
}

export interface MadeSandbox {
  readonly session: CodingSession;
  /** The run that answers the prompt, if there was one. */
  readonly run: HeadlessRun | null;
}

/**
 * Sandboxes of an account itself (sandbox-sessions.md §A12.3): coding sessions that lists of sessions leave out. A new one
 * begins with the account's snapshot, else with its repository, else empty.
 */
@Injectable()
export class AccountSandboxesService {
  constructor(
    private readonly db: Database,
    private readonly homes: AccountHomesRepository,
    private readonly repositories: AccountRepositories,
    private readonly sessions: CodingSessionsService,
    private readonly creation: CodingSessionCreation,
    private readonly starts: ChatStartsService,
    private readonly sandboxes: CodingSandboxesService,
    private readonly blobs: Blobs,
  ) {}

  /**
   * A new sandbox. With a prompt it is brought up by the run that answers; else it is up when this answers. With the key of
   * a creation before, that one's. Errors: `unavailable` (`llm_not_configured`); `unprocessable` for a key that was
   * another creation's; those of `CodingSandboxesService.provision`.
   */
  async create(caller: Principal, prompt: SandboxPrompt | null, creation: CreationKey | null): Promise<MadeSandbox> {
    const made = await this.db.transaction(() => this.make(caller, prompt, creation));
    return prompt ? made : { session: await this.bringUp(caller, made.session.id), run: null };
  }

  /**
   * The account's repository, made when it has none, and a sandbox that is up: the current one, else a new one. Any number
   * of calls, one after the other or at once, lead to the same. Errors: those of `AccountRepositories.use` and `create`.
   */
  async setUp(caller: Principal): Promise<CodingSession> {
    const id = await this.repositories.use(caller, async () => {
      await this.homes.lock(caller.accountId);
      const current = await this.homes.findCurrent(caller.accountId);
      return current ?? (await this.make(caller, null, null)).session.id;
    });
    return this.bringUp(caller, id);
  }

  private async bringUp(caller: Principal, sessionId: string): Promise<CodingSession> {
    const asked = { sessionId, repoUrl: null, branch: null, isNewBranch: false };
    return (await this.sandboxes.provision(caller, asked, null)).session;
  }

  private async make(
    caller: Principal,
    prompt: SandboxPrompt | null,
    creation: CreationKey | null,
  ): Promise<MadeSandbox> {
    const before = creation && (await this.homes.findCreated(caller.accountId, creation.key));
    if (before && before.hash !== creation.hash) throw keyReused();
    if (before) return this.madeBefore(caller, before.id);
    const { snapshot } = await this.homes.findHeld(caller.accountId);
    const repo = await this.repositories.find(caller);
    const begin = { artistId: null, organizationId: null, cloneUrl: repo && this.repositories.urlOf(caller, repo) };
    const run = prompt && (await this.starts.startHeadless(caller, { ...prompt, ...begin }));
    const id = run?.sessionId ?? (await this.creation.create(caller, { ...NOTHING, ...begin })).session.id;
    await this.homes.place(id, snapshot, creation);
    if (snapshot) {
      const held = { kind: ACCOUNT_SNAPSHOT_HOLDER, ownerId: caller.accountId };
      await this.blobs.holdAsWell(held, { kind: SNAPSHOT_HOLDER, ownerId: id });
    }
    return { session: await this.sessions.get(caller, id), run };
  }

  private async madeBefore(caller: Principal, id: string): Promise<MadeSandbox> {
    return { session: await this.sessions.get(caller, id), run: await this.homes.findFirstRun(id) };
  }
}

const NOTHING = { title: null, repoOwner: null, repoName: null, branch: null, isNewBranch: false };

function keyReused(): DomainError {
  return new DomainError('unprocessable', 'The Idempotency-Key was used for another sandbox', {
    reason: 'idempotency_key_reused',
  });
}
