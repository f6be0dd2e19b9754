import { Injectable } from '@nestjs/common';
import { EffectiveTier, entitlementsOf } from '#accounts';
import { Clock, DomainError } from '#kernel';
import { Database, type Principal } from '#platform';
import { newAgentSessionId } from '../sandbox.js';
import { SandboxJournal } from '../sandbox-journal.js';
import { SANDBOX_CREATED } from '../sandboxes.events.js';
import { AccessScope, NOBODY } from '../scope/access-scope.js';
import type { FileAccess } from '../scope/file-access.js';
import { SkillsRepository } from '../skills/skills.repository.js';
import { InstructionFiles } from '../workspace/instruction-files.js';
import { settlePlaces } from '../workspace/scope-places.js';
import { Workspaces } from '../workspace/workspaces.js';
import { type AgentSession, endOf, type NewAgentSession } from './agent-session.js';
import { AgentSessionsRepository } from './agent-sessions.repository.js';

/** More than can be under way: each holds a connection, of which PostgreSQL has 100 unless it is told otherwise. */
const MOST_AT_ONCE = 500;

/** Makes sessions of the agent surface, with what they keep of their workspace and account for life (§B3.1). */
@Injectable()
export class AgentSessionCreation {
  constructor(
    private readonly db: Database,
    private readonly sessions: AgentSessionsRepository,
    private readonly workspaces: Workspaces,
    private readonly files: InstructionFiles,
    private readonly skills: SkillsRepository,
    private readonly journal: SandboxJournal,
    private readonly tiers: EffectiveTier,
    private readonly clock: Clock,
  ) {}

  /**
   * Errors: `rate_limited` (`session.limit`) when the account has as many as its plan allows; `invalid_input` for a scope
   * that leads out of the workspace.
   */
  async create(caller: Principal, asked: NewAgentSession): Promise<AgentSession> {
    const { accountId } = caller;
    const [tier, fileAccess] = await Promise.all([this.tiers.of(caller), this.placesOf(accountId, asked.fileAccess)]);
    const { agentSessions: limit } = entitlementsOf(tier);
    const input = { ...asked, fileAccess };
    const view = { caller, accountId, scope: new AccessScope(NOBODY, fileAccess) };
    const instructions = await this.files.instructions(view);
    return this.db.transaction(async () => {
      const now = this.clock.date();
      await this.assertRoom(accountId, limit, now);
      const session = await this.insert(caller, input, instructions, now);
      await this.skills.giveTo(session.id, accountId);
      const what = { event: SANDBOX_CREATED, action: 'sandbox.create' };
      await this.journal.record(caller, session, what, { surface: 'agent' });
      return session;
    });
  }

  /** Near the limit creations of an account wait for each other; far from it they cannot reach it together. */
  private async assertRoom(accountId: string, limit: number, now: Date): Promise<void> {
    if ((await this.sessions.count(accountId, now)) < limit - MOST_AT_ONCE) return;
    await this.sessions.lockAccount(accountId);
    const used = await this.sessions.count(accountId, now);
    if (used >= limit) throw sessionLimit(used, limit);
  }

  private async placesOf(accountId: string, access: FileAccess): Promise<FileAccess> {
    if (access.read.every((entry) => entry === '') && access.write.every((entry) => entry === '')) return access;
    const root = await this.workspaces.open(accountId, NOBODY);
    return settlePlaces(root, access).finally(() => root.close());
  }

  private async insert(
    caller: Principal,
    input: NewAgentSession,
    instructions: string,
    now: Date,
  ): Promise<AgentSession> {
    const facts = {
      ...input,
      accountId: caller.accountId,
      userId: caller.userId,
      state: 'active',
      version: 0,
      error: null,
      endsAt: endOf(input, now, now),
      responseId: null,
      capturedSessionId: null,
      lastActivityAt: now,
      createdAt: now,
      updatedAt: now,
    } as const;
    // 48 random bits are the contract's: two of many millions may meet.
    for (;;) {
      const session = { ...facts, id: newAgentSessionId() };
      if (await this.sessions.insert(session, instructions)) return session;
    }
  }
}

function sessionLimit(used: number, limit: number): DomainError {
  return new DomainError('rate_limited', `The limit of ${limit} concurrent sessions is reached`, {
    reason: 'session.limit',
    details: { used, limit },
  });
}
