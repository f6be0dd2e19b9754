import { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import type { Principal } from '#platform';
import type { CodingSession } from '../coding-sessions/coding-session.js';
import { AccountFilesService } from './account-files.service.js';
import { StagedFiles } from './staged-files.js';

/** A file that is put into a sandbox. */
export interface IncomingFile {
  /** One of `toCheckoutPath`. */
  readonly path: string;
  /** The bytes themselves, as they come, or the id of a staged file. */
  readonly content: Buffer | Readable | string;
}

export interface Uploaded {
  readonly sandboxId: string;
  readonly files: readonly { readonly path: string; readonly size: number }[];
}

/** Files that come together: each one whole or not at all, one after the other; those before one that fails stay. */
@Injectable()
export class AccountUploadsService {
  constructor(
    private readonly files: AccountFilesService,
    private readonly staged: StagedFiles,
  ) {}

  /** Errors: those of `AccountFilesService.write`; `not_found` for a staged file that is not there. */
  async write(caller: Principal, sandboxId: string | null, incoming: readonly IncomingFile[]): Promise<Uploaded> {
    const session = await this.files.sandboxOf(caller, sandboxId);
    const files: { path: string; size: number }[] = [];
    for (const file of incoming) files.push({ path: file.path, size: await this.writeOne(caller, session, file) });
    return { sandboxId: session.id, files };
  }

  private async writeOne(caller: Principal, session: CodingSession, { path, content }: IncomingFile): Promise<number> {
    if (content instanceof Readable) return this.put(caller, session, path, content, null);
    if (typeof content !== 'string') return this.put(caller, session, path, Readable.from([content]), content.length);
    const source = await this.staged.open(caller, content);
    try {
      return await this.put(caller, session, path, source, null);
    } finally {
      source.destroy();
    }
  }

  private async put(
    caller: Principal,
    session: CodingSession,
    path: string,
    content: Readable,
    bytes: number | null,
  ): Promise<number> {
    return (await this.files.write(caller, session, path, { content, bytes })).size;
  }
}
