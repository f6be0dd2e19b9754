import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import type { Principal } from '#platform';
import { checkoutOf } from '../coding-sessions/checkout.js';
import { SkillsRepository } from '../skills/skills.repository.js';
import type { FileEntry } from '../workspace/file-entry.js';
import { type FileView, WorkspaceFiles } from '../workspace/workspace-files.js';
import { frontMatter } from './front-matter.js';
import { Workbenches } from './workbenches.js';

export interface FoundSkill {
  readonly name: string;
  readonly description: string;
}

const FOLDERS = ['.agents/skills', '.claude/skills'];
const MAX_SKILLS = 200;
/** Of each SKILL.md: its front matter comes first. */
const READ_BYTES = 16_384;

/** Skills that lie in a sandbox: in its checkout, in its home, and those of its account (sandbox-sessions.md §A11.4). */
@Injectable()
export class FoundSkillsService {
  constructor(
    private readonly workbenches: Workbenches,
    private readonly files: WorkspaceFiles,
    private readonly skills: SkillsRepository,
  ) {}

  /** By name; of those with one name the first. Read anew each time. Errors: those of Workbenches. */
  list(caller: Principal, sessionId: string): Promise<FoundSkill[]> {
    return this.workbenches.use(caller, sessionId, async ({ session, place: { scope } }) => {
      const view: FileView = { caller, accountId: session.accountId, scope };
      const found = new Map<string, FoundSkill>();
      for (const root of [checkoutOf(scope), scope.ownDirectory]) {
        for (const folder of FOLDERS) await this.addFrom(view, [...root, folder].join('/'), found);
      }
      for (const skill of await this.skills.ofSandbox(sessionId))
        if (!found.has(skill.name)) found.set(skill.name, skill);
      return [...found.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
    });
  }

  private async addFrom(view: FileView, folder: string, found: Map<string, FoundSkill>): Promise<void> {
    const entries: FileEntry[] = await this.files.list(view, folder).catch(nothing([]));
    for (const { name } of entries.slice(0, MAX_SKILLS)) {
      const skill = await this.read(view, `${folder}/${name}/SKILL.md`, name).catch(nothing(null));
      if (skill && !found.has(skill.name) && found.size < MAX_SKILLS) found.set(skill.name, skill);
    }
  }

  private async read(view: FileView, path: string, folder: string): Promise<FoundSkill | null> {
    const file = await this.files.open(view, path);
    if (file.kind === 'directory') return null;
    try {
      const end = Math.min(file.size, READ_BYTES);
      const parts: Buffer[] = [];
      if (end > 0) for await (const part of file.read({ start: 0, end }) as AsyncIterable<Buffer>) parts.push(part);
      const { name, description } = frontMatter(Buffer.concat(parts).toString('utf8'));
      return { name: name?.slice(0, 100) || folder, description: description?.slice(0, 1_024) ?? '' };
    } finally {
      await file.close();
    }
  }
}

/** What is not there, or led out of the sandbox by a link, is no skill. */
function nothing<Result>(instead: Result): (error: unknown) => Result {
  return (error) => {
    if (error instanceof DomainError && ['forbidden', 'not_found', 'conflict'].includes(error.code)) return instead;
    throw error;
  };
}
