import { Injectable, Logger } from '@nestjs/common';
import { DomainError } from '#kernel';
import type { FileEntry } from './file-entry.js';
import { type FileView, WorkspaceFiles } from './workspace-files.js';

const FOLDER = '.pokee';
const MAX_BYTES = 1_048_576;
const MEMORY = '.memory/MEMORY.md';
const MAX_MEMORY_BYTES = 32_768;

/** What a workspace has to say to agents, as far as their scopes show it (sandbox-sessions.md §B4). */
@Injectable()
export class InstructionFiles {
  private readonly log = new Logger(InstructionFiles.name);

  constructor(private readonly files: WorkspaceFiles) {}

  /** `.pokee/*.md` in the order of their names, at most 1 MiB together; '' when there are none. */
  async instructions(view: FileView): Promise<string> {
    const texts: string[] = [];
    let room = MAX_BYTES;
    for (const { name, type, size } of await this.listed(view)) {
      if (type !== 'file' || !name.endsWith('.md')) continue;
      const path = `${FOLDER}/${name}`;
      if (size > room) {
        this.log.warn({ msg: 'instructions beyond 1 MiB are left out', accountId: view.accountId, path });
        break;
      }
      const text = await this.read(view, path, size);
      room -= size;
      if (text !== null) texts.push(`Instructions (${path}):\n${text.replaceAll('\0', '')}`);
    }
    return texts.join('\n\n');
  }

  /** What earlier sessions noted for later ones; null when there is nothing. */
  async memory(view: FileView): Promise<string | null> {
    const text = await this.read(view, MEMORY, MAX_MEMORY_BYTES);
    return text === null ? null : `Notes of earlier sessions (${MEMORY}):\n${text}`;
  }

  private async listed(view: FileView): Promise<FileEntry[]> {
    // Nobody asked for what is out of scope: there is nothing to refuse.
    if (view.scope.modeOf([FOLDER]) === 'none') return [];
    return (await this.files.list(view, FOLDER).catch(nullIfRefused)) ?? [];
  }

  private async read(view: FileView, path: string, maxBytes: number): Promise<string | null> {
    if (['none', 'ancestor'].includes(view.scope.modeOf(path.split('/')))) return null;
    const file = await this.files.open(view, path).catch(nullIfRefused);
    if (file?.kind !== 'file') return null;
    try {
      const end = Math.min(file.size, maxBytes);
      return end === 0 ? null : Buffer.concat((await file.read({ start: 0, end }).toArray()) as Buffer[]).toString();
    } finally {
      await file.close();
    }
  }
}

/** Missing, a link out of scope, no file: nothing that could be told. */
function nullIfRefused(error: unknown): null {
  if (error instanceof DomainError && error.code !== 'internal') return null;
  throw error;
}
