import { Injectable } from '@nestjs/common';
import { Memberships, UsersService } from '#accounts';
import { Clock, DomainError, urlSafeId } from '#kernel';
import { Database, type Principal } from '#platform';
import type { Chat } from '../chats/chat.js';
import { ChatsService } from '../chats/chats.service.js';
import { SandboxJournal } from '../sandbox-journal.js';
import { SANDBOX_CREATED } from '../sandboxes.events.js';
import { SkillsRepository } from '../skills/skills.repository.js';
import { newBranchName } from './branch-name.js';
import type { CodingSession, NewCodingSession } from './coding-session.js';
import { CodingSessionsRepository } from './coding-sessions.repository.js';
import { CITIES, drawCity } from './titles.js';

/** How a session of the sandbox-api surface comes into being, with its first chat, in one transaction (§A6). */
@Injectable()
export class CodingSessionCreation {
  constructor(
    private readonly db: Database,
    private readonly sessions: CodingSessionsRepository,
    private readonly chats: ChatsService,
    private readonly skills: SkillsRepository,
    private readonly journal: SandboxJournal,
    private readonly memberships: Memberships,
    private readonly users: UsersService,
    private readonly clock: Clock,
  ) {}

  /** Nothing is provisioned yet. Errors: `forbidden` for an organisation the caller is no member of. */
  async create(caller: Principal, input: NewCodingSession): Promise<{ session: CodingSession; chat: Chat }> {
    const orgId = await this.orgOf(caller, input.organizationId);
    const branch = input.isNewBranch ? await this.newBranch(caller) : input.branch;
    return this.db.transaction(async () => {
      const title = input.title ?? (await this.drawTitle(caller.accountId));
      const session = newSession(caller, { ...input, title, branch }, this.clock.date());
      await this.sessions.insert(session, orgId);
      const skills = await this.skills.giveTo(session.id, session.accountId);
      const what = { event: SANDBOX_CREATED, action: 'sandbox.create' };
      await this.journal.record(caller, session, what, { surface: 'coding' });
      return { session: { ...session, skills }, chat: await this.chats.addFirst(caller, session) };
    });
  }

  private async orgOf(caller: Principal, accountId: string | null): Promise<string | null> {
    if (accountId === null) return null;
    const membership = await this.memberships.findReachedByAccount(caller, accountId);
    if (!membership) throw new DomainError('forbidden', 'Access denied to specified organization_id');
    return membership.orgId;
  }

  private async newBranch(caller: Principal): Promise<string> {
    const { displayName } = await this.users.get(caller.userId);
    return newBranchName({ displayName, userName: caller.accountSlug });
  }

  private async drawTitle(accountId: string): Promise<string> {
    await this.sessions.lockTitles(accountId);
    const { city, isTaken } = drawCity(new Set(await this.sessions.titlesAmong(accountId, CITIES)));
    return isTaken ? this.sessions.numbered(accountId, city) : city;
  }
}

/** The stored defaults of §A6.6. */
function newSession(
  caller: Principal,
  input: Omit<NewCodingSession, 'title' | 'organizationId'> & { readonly title: string },
  now: Date,
): CodingSession {
  const { title, repoOwner, repoName, branch, cloneUrl, isNewBranch, artistId } = input;
  return {
    id: urlSafeId(),
    accountId: caller.accountId,
    userId: caller.userId,
    title,
    status: 'running',
    artistId,
    repoOwner,
    repoName,
    branch,
    cloneUrl,
    isNewBranch,
    isStopping: false,
    skills: [],
    providerState: { type: 'vercel' },
    state: 'provisioning',
    version: 0,
    error: null,
    leaseId: null,
    lastActivityAt: null,
    expiresAt: null,
    hibernateAfter: null,
    linesAdded: 0,
    linesRemoved: 0,
    snapshotUrl: null,
    snapshotCreatedAt: null,
    snapshotBytes: null,
    cachedDiff: null,
    cachedDiffAt: null,
    createdAt: now,
    updatedAt: now,
  };
}
