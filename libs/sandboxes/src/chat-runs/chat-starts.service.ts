import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import { Database, type Principal } from '#platform';
import type { Chat } from '../chats/chat.js';
import { ChatsService } from '../chats/chats.service.js';
import { CodingSessionCreation } from '../coding-sessions/coding-session-creation.js';
import { CodingSessionsService } from '../coding-sessions/coding-sessions.service.js';
import { CodingSandboxesService } from '../lifecycle/coding-sandboxes.service.js';
import { sandboxChanging, sessionArchived } from '../lifecycle/life.js';
import { SandboxLifecycle, type SandboxUse } from '../lifecycle/sandbox-lifecycle.js';
import { ChatAgent } from './chat-agent.js';
import { anotherIsRunning, type SentMessage } from './chat-run.js';
import { ChatRuns } from './chat-runs.service.js';

export interface ChatRequest {
  readonly sessionId: string;
  readonly chatId: string;
  /** The user's message last. */
  readonly messages: readonly SentMessage[];
}

export interface HeadlessRequest {
  readonly messages: readonly SentMessage[];
  readonly model: string | null;
  readonly artistId: string | null;
  /** The account of an organisation that the caller is a member of. */
  readonly organizationId: string | null;
  /** What the session's sandbox clones; nothing when left out. */
  readonly cloneUrl?: string | null;
}

export interface HeadlessRun {
  readonly runId: string;
  readonly chatId: string;
  readonly sessionId: string;
}

/** How answers in chats are asked for (sandbox-sessions.md §A14). */
@Injectable()
export class ChatStartsService {
  constructor(
    private readonly db: Database,
    private readonly sessions: CodingSessionsService,
    private readonly chats: ChatsService,
    private readonly creation: CodingSessionCreation,
    private readonly runs: ChatRuns,
    private readonly agent: ChatAgent,
    private readonly lifecycle: SandboxLifecycle,
    private readonly sandboxes: CodingSandboxesService,
  ) {}

  /**
   * Begins an answer, and answers its run: the one under way if it answers the same message. A sandbox at rest is resumed
   * first. Errors: `not_found`, `forbidden`; `unavailable` (`llm_not_configured`); `bad_request` ("Sandbox not
   * initialized"); `conflict` while another message is answered, when the session is archived, or when a message is another
   * chat's; `rate_limited`.
   */
  async start(caller: Principal, { sessionId, chatId, messages }: ChatRequest): Promise<string> {
    const chat = await this.chats.get(caller, sessionId, chatId);
    this.agent.assertConfigured();
    const live = await this.runs.findLiveOf(chat, messages.at(-1)!);
    if (live) return live.id;
    const use = await this.lifecycle.use({ id: sessionId });
    const work = this.agent.respond(caller, chat, () => Promise.resolve(use));
    try {
      return await this.db.transaction(async () => {
        const { state } = await this.sessions.getLocked(caller, sessionId);
        // Whoever puts it to rest meanwhile looks for uses first, and for runs never.
        if (state === 'archived') throw sessionArchived();
        if (state !== 'active') throw sandboxChanging({ state });
        return this.runs.begin(caller, chat, messages, work);
      });
    } catch (error) {
      use.release();
      if (!(error instanceof DomainError) || error.reason !== 'session.busy') throw error;
    }
    const winner = await this.runs.findLiveOf(await this.chats.get(caller, sessionId, chatId), messages.at(-1)!);
    if (!winner) throw anotherIsRunning();
    return winner.id;
  }

  /** A session with a chat and a run in it, all or nothing; its sandbox is provisioned by the run. Errors: as `start`. */
  async startHeadless(caller: Principal, { messages, model, ...place }: HeadlessRequest): Promise<HeadlessRun> {
    this.agent.assertConfigured();
    const nothing = { title: null, repoOwner: null, repoName: null, branch: null, cloneUrl: null, isNewBranch: false };
    return this.db.transaction(async () => {
      const { session, chat: first } = await this.creation.create(caller, { ...nothing, ...place });
      const chat = model === null ? first : await this.chats.edit(caller, session.id, first.id, { modelId: model });
      const work = this.agent.respond(caller, chat, () => this.bringUp(caller, chat));
      return { runId: await this.runs.begin(caller, chat, messages, work), chatId: chat.id, sessionId: session.id };
    });
  }

  private async bringUp(caller: Principal, { sandboxId: sessionId }: Chat): Promise<SandboxUse> {
    await this.sandboxes.provision(caller, { sessionId, repoUrl: null, branch: null, isNewBranch: false }, null);
    return this.lifecycle.use({ id: sessionId });
  }
}
