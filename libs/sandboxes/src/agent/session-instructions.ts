import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import type { AgentSession } from '../agent-sessions/agent-session.js';
import { Egress } from '../egress/egress.js';
import type { AccessScope } from '../scope/access-scope.js';
import { type KnownSkill, skillList } from '../skills/skill-list.js';
import { SkillsRepository } from '../skills/skills.repository.js';
import { WORKSPACE_INSIDE } from '../workspace/located.js';
import { type FileView, WorkspaceFiles } from '../workspace/workspace-files.js';

const MEMORY = '.memory/MEMORY.md';
const MAX_MEMORY_BYTES = 32_768;

/** What the agent of a session is told before the conversation. */
@Injectable()
export class SessionInstructions {
  constructor(
    private readonly files: WorkspaceFiles,
    private readonly skills: SkillsRepository,
    private readonly egress: Egress,
  ) {}

  async of({ id }: Pick<AgentSession, 'id'>, view: FileView): Promise<string> {
    const network = await this.egress.inWords();
    return instructions(view.scope, network, await this.skills.ofSandbox(id), await this.memory(view));
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

function instructions(
  scope: AccessScope,
  network: string,
  skills: readonly KnownSkill[],
  memory: string | null,
): string {
  const { read, write } = scope.access;
  const list = (paths: readonly string[]): string =>
    paths.includes('') ? 'everything' : paths.length === 0 ? 'nothing' : paths.map((path) => `${path}/`).join(', ');
  return [
    'You are an agent that works in a sandbox on a workspace of files, by the tools you are given.',
    `The workspace is ${WORKSPACE_INSIDE}, which is the working directory too. Of it you can read ${list(read)} and ` +
      `write ${list(write)}; what you do not see does not exist. ${scope.ownDirectory.join('/')}/ is yours alone.`,
    `${network} Do what is asked, check the result, and say briefly what you did.`,
    ...(skills.length === 0 ? [] : [skillList(skills)]),
    ...(memory === null ? [] : [`Notes of earlier sessions (${MEMORY}):\n${memory}`]),
  ].join('\n\n');
}
