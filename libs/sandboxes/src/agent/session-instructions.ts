import { Injectable } from '@nestjs/common';
import type { AgentSession } from '../agent-sessions/agent-session.js';
import { AgentSessionsRepository } from '../agent-sessions/agent-sessions.repository.js';
import { Egress } from '../egress/egress.js';
import type { AccessScope } from '../scope/access-scope.js';
import { skillList } from '../skills/skill-list.js';
import { SkillsRepository } from '../skills/skills.repository.js';
import { InstructionFiles } from '../workspace/instruction-files.js';
import { WORKSPACE_INSIDE } from '../workspace/located.js';
import type { FileView } from '../workspace/workspace-files.js';

/** What the agent of a session is told before the conversation. */
@Injectable()
export class SessionInstructions {
  constructor(
    private readonly files: InstructionFiles,
    private readonly sessions: AgentSessionsRepository,
    private readonly skills: SkillsRepository,
    private readonly egress: Egress,
  ) {}

  async of({ id }: Pick<AgentSession, 'id'>, view: FileView): Promise<string> {
    const skills = await this.skills.ofSandbox(id);
    return [
      ...general(view.scope, await this.egress.inWords()),
      await this.sessions.instructionsOf(id),
      ...(skills.length === 0 ? [] : [skillList(skills)]),
      await this.files.memory(view),
    ]
      .filter((part) => part !== null && part !== '')
      .join('\n\n');
  }
}

function general(scope: AccessScope, network: string): string[] {
  const { read, write } = scope.access;
  const list = (paths: readonly string[]): string =>
    paths.includes('') ? 'everything' : paths.length === 0 ? 'nothing' : paths.map((path) => `${path}/`).join(', ');
  return [
    'You are an agent that works in a sandbox on a workspace of files, by the tools you are given.',
    `The workspace is ${WORKSPACE_INSIDE}, which is the working directory too. Of it you can read ${list(read)} and ` +
      `write ${list(write)}; what you do not see does not exist. ${scope.ownDirectory.join('/')}/ is yours alone.`,
    `${network} Do what is asked, check the result, and say briefly what you did.`,
  ];
}
