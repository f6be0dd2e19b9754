import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import type { Principal } from '#platform';
import { checkoutOf } from '../coding-sessions/checkout.js';
import { type FileView, WorkspaceFiles } from '../workspace/workspace-files.js';
import { readSuggestedPaths } from './git-output-thread.js';
import { SandboxGit } from './sandbox-git.js';
import type { SuggestedPath } from './suggested-paths.js';
import { type Workbench, Workbenches } from './workbenches.js';

/** Without a repository every file is suggested, by way of an empty one elsewhere. */
const LIST = `
isRepository || { export GIT_DIR=/tmp/none && git init -q; }
run git ls-files -z --cached --others --exclude-standard --deduplicate | emit 8388608
`;
const MAX_TEXT_BYTES = 200_000;

export interface TextFile {
  readonly path: string;
  readonly content: string;
  /** Bytes. */
  readonly size: number;
}

/** The files of a checkout: which there are, and what is in them (sandbox-sessions.md §A11.1). */
@Injectable()
export class CheckoutFilesService {
  constructor(
    private readonly workbenches: Workbenches,
    private readonly git: SandboxGit,
    private readonly files: WorkspaceFiles,
  ) {}

  /** What git tracks or would track, with the directories it is in. Errors: those of Workbenches and SandboxGit. */
  list(caller: Principal, sessionId: string): Promise<SuggestedPath[]> {
    return this.workbenches.use(caller, sessionId, async ({ place }) => {
      const [names = Buffer.alloc(0)] = await this.git.parts(place, { script: LIST });
      return readSuggestedPaths(names);
    });
  }

  /**
   * A text file. Links are followed inside the sandbox's own directory only. Errors: those of Workbenches; `bad_request`
   * for a path no checkout has, for a directory and for what is no text; `not_found`, `payload_too_large`.
   */
  read(caller: Principal, sessionId: string, path: string): Promise<TextFile> {
    return this.workbenches.use(caller, sessionId, async (workbench) => {
      const asked = toCheckoutPath(path);
      const content = await this.contentOf(caller, workbench, asked);
      return { path: asked, content: toText(content), size: content.length };
    });
  }

  private contentOf(caller: Principal, { session, place }: Workbench, path: string): Promise<Buffer> {
    const view: FileView = { caller, accountId: session.accountId, scope: place.scope };
    return wholeFile(this.files, view, [...checkoutOf(place.scope), path].join('/'), MAX_TEXT_BYTES);
  }
}

/** Errors: `not_found`, `bad_request` for a directory, `payload_too_large`. */
export async function wholeFile(files: WorkspaceFiles, view: FileView, path: string, limit: number): Promise<Buffer> {
  const file = await files.open(view, path).catch(asAbsent);
  if (file.kind === 'directory') throw new DomainError('bad_request', 'Path is a directory', { field: 'path' });
  try {
    if (file.size > limit) throw new DomainError('payload_too_large', 'File is too large', { details: { limit } });
    const parts: Buffer[] = [];
    if (file.size > 0)
      for await (const part of file.read({ start: 0, end: file.size }) as AsyncIterable<Buffer>) parts.push(part);
    return Buffer.concat(parts);
  } finally {
    await file.close();
  }
}

/** A path below the checkout, back-slashes made slashes. Errors: `bad_request`, with the field it was in. */
export function toCheckoutPath(given: string, field = 'path'): string {
  const path = given.replaceAll('\\', '/');
  const names = path.split('/');
  const isValid = path !== '' && !path.startsWith('/') && !names.includes('..') && Buffer.byteLength(path) <= 4_000;
  if (isValid && !/[\u0000-\u001f\u007f]/.test(path) && path.isWellFormed() && names.every(isShortName)) return path;
  throw new DomainError('bad_request', 'Invalid file path', { field });
}

function isShortName(name: string): boolean {
  return Buffer.byteLength(name) <= 255;
}

/** Inside the sandbox a link that leads out of it leads nowhere, and so it does here. */
function asAbsent(error: unknown): never {
  const isAbsent = error instanceof DomainError && ['forbidden', 'not_found', 'conflict'].includes(error.code);
  if (isAbsent && error.reason === 'not_a_file') throw new DomainError('bad_request', 'Path is not a file');
  throw isAbsent ? new DomainError('not_found', 'File not found') : error;
}

function toText(content: Buffer): string {
  try {
    if (!content.includes(0)) return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
  throw new DomainError('bad_request', 'File is not text');
}
