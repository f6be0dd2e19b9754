import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import { AppConfig, Llm, type LlmMessage, type Principal } from '#platform';
import { AgentCommand } from '../agent-command/agent-command.js';
import type { AgentSession } from '../agent-sessions/agent-session.js';
import { SandboxLifecycle } from '../lifecycle/sandbox-lifecycle.js';
import type { AccessScope } from '../scope/access-scope.js';
import { SKILLS_INSIDE } from '../skills/skill.js';
import { SkillsRepository } from '../skills/skills.repository.js';
import { WORKSPACE_INSIDE } from '../workspace/located.js';
import { type FileView, WorkspaceFiles } from '../workspace/workspace-files.js';
import { AgentLoop } from './agent-loop.js';
import type { AgentWork } from './agent-runs.service.js';
import { AgentTurnsRepository } from './agent-turns.repository.js';
import { ClientToolCalls } from './client-tool-calls.js';
import { modelEndpoint } from './model-endpoint.js';
import { SandboxTools } from './sandbox-tools.js';

/** Of a conversation, so much is shown to the model: about 100,000 tokens. */
const MAX_CONVERSATION_BYTES = 400_000;
const MEMORY = '.memory/MEMORY.md';
const MAX_MEMORY_BYTES = 32_768;

/** The agent of a session: a model with the tools of its sandbox, or the operator's command in it. */
@Injectable()
export class SessionAgent {
  constructor(
    private readonly llm: Llm,
    private readonly lifecycle: SandboxLifecycle,
    private readonly tools: SandboxTools,
    private readonly clientCalls: ClientToolCalls,
    private readonly turns: AgentTurnsRepository,
    private readonly files: WorkspaceFiles,
    private readonly skills: SkillsRepository,
    private readonly config: AppConfig,
    private readonly command: AgentCommand,
  ) {}

  /** The next turn of the session's conversation. Errors: `unavailable` (`llm_not_configured`). */
  respond(caller: Principal, session: AgentSession): AgentWork {
    const endpoint = modelEndpoint(this.llm, session.model);
    return async (agent) => {
      const use = await this.lifecycle.use(session);
      agent.afterEnd(use.release);
      use.signal.addEventListener('abort', agent.stop, { once: true });
      const { scope } = use.place;
      const view: FileView = { caller, accountId: session.accountId, scope };
      const turn = { sandboxId: session.id, runId: agent.run.id };
      const conversation = await this.turns.conversation(session.id, MAX_CONVERSATION_BYTES);
      const first = conversation.findIndex(({ role }) => role === 'user');
      const said = {
        endpoint,
        instructions: instructions(scope, await this.skills.ofSession(session.id), await this.memory(view)),
        messages: conversation.slice(Math.max(0, first)),
        keep: (messages: readonly LlmMessage[]) => this.turns.say(turn, messages),
      };
      if (this.command.isSet) return this.command.run(agent, { ...said, place: use.place, cwd: WORKSPACE_INSIDE });
      const loop = new AgentLoop(this.llm, agent, {
        ...said,
        tools: this.tools.of({ view, place: use.place, base: '' }),
        clientTools: this.clientCalls.of(agent.run.id, session.tools),
        maxSteps: this.config.AGENT_MAX_STEPS,
        maxTokens: this.config.AGENT_TOKENS_PER_TURN,
      });
      return loop.run();
    };
  }

  /** What earlier sessions noted for later ones; null when there is nothing that this one may read. */
  private async memory(view: FileView): Promise<string | null> {
    try {
      const file = await this.files.open(view, MEMORY);
      if (file.kind === 'directory') return null;
      try {
        const end = Math.min(file.size, MAX_MEMORY_BYTES);
        return end === 0 ? null : Buffer.concat((await file.read({ start: 0, end }).toArray()) as Buffer[]).toString();
      } finally {
        await file.close();
      }
    } catch (error) {
      if (error instanceof DomainError && error.code !== 'internal') return null;
      throw error;
    }
  }
}

interface KnownSkill {
  readonly name: string;
  readonly description: string;
}

function instructions(scope: AccessScope, skills: readonly KnownSkill[], memory: string | null): string {
  const { read, write } = scope.access;
  const list = (paths: readonly string[]): string =>
    paths.includes('') ? 'everything' : paths.length === 0 ? 'nothing' : paths.map((path) => `${path}/`).join(', ');
  return [
    'You are an agent that works in a sandbox on a workspace of files, by the tools you are given.',
    `The workspace is ${WORKSPACE_INSIDE}, which is the working directory too. Of it you can read ${list(read)} and ` +
      `write ${list(write)}; what you do not see does not exist. ${scope.ownDirectory.join('/')}/ is yours alone.`,
    'There is no network. Do what is asked, check the result, and say briefly what you did.',
    ...(skills.length === 0 ? [] : [skillList(skills)]),
    ...(memory === null ? [] : [`Notes of earlier sessions (${MEMORY}):\n${memory}`]),
  ].join('\n\n');
}

function skillList(skills: readonly KnownSkill[]): string {
  const lines = skills.map(({ name, description }) => `- ${name}${description === '' ? '' : `: ${description}`}`);
  return [
    `Skills are instructions for certain work, each a directory ${SKILLS_INSIDE}/<name> that cannot be written. When one`,
    'fits what is asked, first read its SKILL.md by a command (cat), and follow it. There are:',
    ...lines,
  ].join('\n');
}
