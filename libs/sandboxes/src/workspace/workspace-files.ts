import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { Injectable, Logger } from '@nestjs/common';
import { DomainError, isDiskFull, diskFull, urlSafeId } from '#kernel';
import { AppConfig, Database, type Principal } from '#platform';
import { sessionNotFound } from '../sandbox.js';
import { SandboxJournal } from '../sandbox-journal.js';
import { FILE_DELETED, FILE_WRITTEN } from '../sandboxes.events.js';
import { SandboxesRepository } from '../sandboxes.repository.js';
import type { AccessScope } from '../scope/access-scope.js';
import { notInScope, toWorkspacePath } from '../scope/requested-path.js';
import { Directory } from './directory.js';
import { entryOf, etagOf, type FileEntry } from './file-entry.js';
import type { Preconditions } from './preconditions.js';
import {
  changedMeanwhile,
  isDenied,
  locate,
  type Located,
  type LocateOptions,
  notADirectory,
  nothingThere,
} from './located.js';
import { PathTurns } from './path-turns.js';
import { WorkspaceRoom } from './workspace-room.js';
import { Workspaces } from './workspaces.js';

/** Whose file, through which sandbox's eyes. */
export interface FileView {
  readonly caller: Principal;
  readonly accountId: string;
  readonly scope: AccessScope;
}

/** What a write presumes about the file it replaces. */
export interface WriteTerms {
  readonly preconditions: Preconditions;
  /** Content-Length; null when it is not known. */
  readonly announcedBytes: number | null;
}

export interface OpenFile {
  readonly kind: 'file';
  readonly size: number;
  readonly modifiedAt: Date;
  readonly etag: string;
  /** The bytes [start, end). Read them or destroy the stream. */
  read(range: { readonly start: number; readonly end: number }): Readable;
  close(): Promise<void>;
}

export interface WrittenFile {
  readonly path: string;
  readonly size: number;
  readonly modifiedAt: Date;
  readonly etag: string;
}

/** Names a listing reads before it stops; directories of more are for `exec`. */
const MAX_ENTRIES = 10_000;
/** What is written at once, and waits for that, of a file that comes in. */
const BLOCK_BYTES = 1_048_576;

/**
 * The files of a workspace as one sandbox's scope shows them, over HTTP: the same scope object that its mounts are made
 * of (sandbox-sessions.md §B4, §B5). Every name is opened relative to the directory before it, so that links swapped in
 * meanwhile lead nowhere.
 */
@Injectable()
export class WorkspaceFiles {
  private readonly log = new Logger(WorkspaceFiles.name);
  private readonly turns = new PathTurns();

  constructor(
    private readonly workspaces: Workspaces,
    private readonly room: WorkspaceRoom,
    private readonly sandboxes: SandboxesRepository,
    private readonly db: Database,
    private readonly journal: SandboxJournal,
    private readonly config: AppConfig,
  ) {}

  /** Sorted by name. Errors: `forbidden` outside the scope, `not_found`, `conflict` for a file. */
  list(view: FileView, requested: string): Promise<FileEntry[]> {
    return this.at(view, requested, {}, async (located, root) => {
      if (located.stat && !located.stat.isDirectory()) throw notADirectory(located.path);
      const directory = await openDirectory(located, root);
      try {
        return await entriesOf(directory, view.scope, located, root);
      } finally {
        await directory.close();
      }
    });
  }

  /** A file, open; or that it is a directory. Errors: as `list`; `conflict` for what is neither. */
  open(view: FileView, requested: string): Promise<OpenFile | { readonly kind: 'directory' }> {
    return this.at(view, requested, {}, async ({ path, parent, stat, mode }) => {
      if (!parent || stat?.isDirectory() || mode === 'ancestor') return { kind: 'directory' };
      if (!stat) throw nothingThere();
      if (!stat.isFile()) throw notAFile(path.join('/'));
      const handle = await parent.openFile(path.at(-1)!, constants.O_RDONLY).catch(changedMeanwhile);
      return openFile(handle, view.scope, requested);
    });
  }

  /** Errors: `forbidden` outside the scope, `not_found`, `conflict` for what is none. */
  assertDirectory(view: FileView, requested: string): Promise<void> {
    return this.at(view, requested, {}, ({ path, parent, stat }) => {
      if (parent && !stat) throw nothingThere();
      if (parent && !stat?.isDirectory()) throw notADirectory(path);
      return Promise.resolve();
    });
  }

  /**
   * Puts the whole content there or nothing of it: it grows beside the workspace's files and takes its place by a
   * rename. Missing directories are made. Errors: `forbidden`, `payload_too_large` (also `workspace.full`),
   * `precondition_failed`, `conflict` for a directory, `unavailable` (`disk_full`), `not_found` for a sandbox that ended.
   */
  async write(view: FileView, requested: string, terms: WriteTerms, content: Readable): Promise<WrittenFile> {
    const limit = this.config.SANDBOX_MAX_UPLOAD_BYTES;
    if ((terms.announcedBytes ?? 0) > limit) throw tooLarge(limit);
    // Refused before the body is read; asked again when the file takes its place.
    await this.at(view, requested, { makeParents: false, isToWrite: true }, async (located) => {
      assertWritable(located, requested);
      assertTerms(located, terms.preconditions);
    }).catch(unlessMissing);
    return this.room.hold(view.accountId, terms.announcedBytes ?? 0, () =>
      this.bringIn(view, requested, terms, content),
    );
  }

  /** A file, a link, or an empty directory. Errors: `forbidden`, also for a scope's own root; `not_found`, `conflict`. */
  remove(view: FileView, requested: string, preconditions: Preconditions): Promise<void> {
    return this.at(view, requested, { keepLast: true }, async (located) => {
      const { parent, path, stat } = located;
      if (located.mode !== 'write' || !parent || isRoot(view.scope, path.join('/'))) throw notInScope(requested);
      if (!stat) throw nothingThere();
      assertTerms(located, preconditions);
      const name = path.at(-1)!;
      await this.onRecord(view, FILE_DELETED, path.join('/'), async () => {
        if (stat.isDirectory()) await parent.removeDirectory(name).catch(notEmpty);
        else await parent.removeFile(name).catch(changedMeanwhile);
        await parent.sync();
      });
    });
  }

  private async bringIn(view: FileView, requested: string, terms: WriteTerms, content: Readable): Promise<WrittenFile> {
    const { SANDBOX_MAX_UPLOAD_BYTES: limit } = this.config;
    const uploads = await this.workspaces.openUploads(view.accountId);
    const name = urlSafeId();
    try {
      const size = await receive(uploads, name, content, limit, terms.announcedBytes ?? 0);
      if (terms.announcedBytes === null) await this.room.hold(view.accountId, size, () => Promise.resolve());
      this.room.add(view.accountId, size);
      return await this.place(view, requested, terms, { uploads, name });
    } catch (error) {
      await uploads.removeFile(name).catch(() => undefined);
      throw isDiskFull(error) ? diskFull(error) : error;
    } finally {
      await uploads.close();
    }
  }

  private place(
    view: FileView,
    requested: string,
    terms: WriteTerms,
    upload: { readonly uploads: Directory; readonly name: string },
  ): Promise<WrittenFile> {
    return this.at(view, requested, { makeParents: true, isToWrite: true }, (located) => {
      assertWritable(located, requested);
      const { parent, path } = located;
      const name = path.at(-1)!;
      // Between two uploads over HTTP the condition and the rename are one step; sandboxes write as they like.
      return this.turns.take(`${view.accountId}/${path.join('/')}`, async () => {
        const stat = await parent!.stat(name);
        if (stat?.isDirectory()) throw isADirectory(path.join('/'));
        assertTerms({ ...located, stat: stat?.isFile() ? stat : null }, terms.preconditions);
        await this.onRecord(view, FILE_WRITTEN, path.join('/'), async () => {
          await upload.uploads.move(upload.name, parent!, name).catch(changedMeanwhile);
          await parent!.sync();
        });
        const now = await parent!.stat(name);
        if (!now) throw nothingThere();
        const modifiedAt = new Date(Number(now.mtimeMs));
        return { path: path.join('/'), size: Number(now.size), modifiedAt, etag: etagOf(now) };
      });
    });
  }

  /** The change inside the transaction that records it: one that fails is not on record. */
  private async onRecord(view: FileView, event: string, path: string, change: () => Promise<void>): Promise<void> {
    const sandbox = { id: view.scope.sandboxId, accountId: view.accountId };
    const action = event === FILE_WRITTEN ? 'sandbox.write-file' : 'sandbox.delete-file';
    await this.db.transaction(async () => {
      // It may have been destroyed while the content came in.
      if (!(await this.sandboxes.isThere(sandbox.id))) throw sessionNotFound();
      await this.journal.record(view.caller, sandbox, { event, action }, { path });
      await change();
    });
  }

  private async at<Result>(
    view: FileView,
    requested: string,
    { isToWrite, ...options }: Omit<LocateOptions, 'requested'> & { readonly isToWrite?: boolean },
    use: (located: Located, root: Directory) => Promise<Result>,
  ): Promise<Result> {
    try {
      const path = toWorkspacePath(requested);
      if (isToWrite && view.scope.modeOf(path) !== 'write') throw notInScope(requested);
      const root = await this.workspaces.open(view.accountId, view.scope.sandboxId);
      try {
        return await locate(root, view.scope, path, { ...options, requested }, (located) => use(located, root));
      } finally {
        await root.close();
      }
    } catch (error) {
      // The client is told nothing of why: whoever runs the server finds it here.
      if (error instanceof DomainError && error.reason === 'not_in_scope')
        this.log.warn({ msg: 'a path is not in scope', sandboxId: view.scope.sandboxId, path: requested });
      throw isDenied(error) ? notPermitted(requested) : error;
    }
  }
}

async function openDirectory({ parent, path, stat }: Located, root: Directory): Promise<Directory> {
  if (!parent) return root.again();
  if (!stat) throw nothingThere();
  return parent.open(path.at(-1)!).catch(changedMeanwhile);
}

async function entriesOf(
  directory: Directory,
  scope: AccessScope,
  { path }: Located,
  root: Directory,
): Promise<FileEntry[]> {
  const entries: FileEntry[] = [];
  let seen = 0;
  for await (const name of directory.names()) {
    if (!scope.shows(path, name)) continue;
    seen += 1;
    if (seen > MAX_ENTRIES) throw tooMany(path.join('/'));
    const stat = await directory.stat(name);
    const entry = stat?.isSymbolicLink()
      ? await linkedEntry(root, scope, [...path, name])
      : stat && entryOf(name, stat);
    if (entry) entries.push(entry);
  }
  return entries.sort((one, other) => (one.name < other.name ? -1 : 1));
}

/** A link is listed as what it leads to; null for one that leads nowhere, or out of scope. */
async function linkedEntry(root: Directory, scope: AccessScope, path: readonly string[]): Promise<FileEntry | null> {
  const name = path.at(-1)!;
  try {
    return await locate(root, scope, path, { requested: name }, async ({ parent, stat }) => {
      const target = parent ? stat : await root.statItself();
      return target && entryOf(name, target);
    });
  } catch (error) {
    if (error instanceof DomainError && error.code !== 'internal') return null;
    throw error;
  }
}

async function openFile(handle: FileHandle, scope: AccessScope, requested: string): Promise<OpenFile> {
  try {
    const stat = await handle.stat({ bigint: true });
    if (!stat.isFile()) throw notAFile(requested);
    // A second name may be one outside of the scope; sandboxes cannot make any, so this is none of theirs.
    if (stat.nlink > 1n && !scope.access.read.includes('')) throw notInScope(requested);
    return {
      kind: 'file',
      size: Number(stat.size),
      modifiedAt: new Date(Number(stat.mtimeMs)),
      etag: etagOf(stat),
      // The stream's `end` is the last byte it reads.
      read: ({ start, end }) => handle.createReadStream({ start, end: end - 1 }),
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Writes a new file, on disk when it resolves with its bytes. Errors: `payload_too_large`, before a byte is read if it was announced. */
export async function receive(
  uploads: Directory,
  name: string,
  content: Readable,
  limit: number,
  announcedBytes: number,
): Promise<number> {
  if (announcedBytes > limit) throw tooLarge(limit);
  const file = await uploads.openFile(name, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o644);
  let writing = Promise.resolve();
  let size = 0;
  try {
    let waiting: Buffer[] = [];
    let waitingBytes = 0;
    // While one block is written the next one is received.
    const flush = async (): Promise<void> => {
      await writing;
      writing = file.writeFile(Buffer.concat(waiting, waitingBytes));
      writing.catch(() => undefined);
      [waiting, waitingBytes] = [[], 0];
    };
    // A refusal must not destroy the request: its connection carries the answer.
    for await (const chunk of content.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > limit) throw tooLarge(limit);
      waiting.push(chunk);
      waitingBytes += chunk.length;
      if (waitingBytes >= BLOCK_BYTES) await flush();
    }
    await flush();
    await writing;
    await file.sync();
    return size;
  } finally {
    await writing.catch(() => undefined);
    await file.close();
  }
}

function assertWritable({ mode, stat, path }: Located, requested: string): void {
  if (mode !== 'write' || path.length === 0) throw notInScope(requested);
  if (stat?.isDirectory()) throw isADirectory(path.join('/'));
}

function assertTerms({ stat }: Pick<Located, 'stat'>, preconditions: Preconditions): void {
  preconditions.assertMet(stat && etagOf(stat));
}

function isRoot(scope: AccessScope, path: string): boolean {
  return scope.access.write.includes(path) || path === scope.ownDirectory.join('/');
}

/** What is missing now may be made by the write itself. */
function unlessMissing(error: unknown): void {
  if (!(error instanceof DomainError) || error.code !== 'not_found') throw error;
}

function notPermitted(path: string): DomainError {
  return new DomainError('conflict', `The mode of '${path}' does not permit that`, { reason: 'not_permitted' });
}

function notEmpty(error: unknown): never {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOTEMPTY' || code === 'EEXIST')
    throw new DomainError('conflict', 'The directory is not empty', { reason: 'not_empty' });
  return changedMeanwhile(error);
}

function isADirectory(path: string): DomainError {
  return new DomainError('conflict', `'${path}' is a directory`, { reason: 'is_directory' });
}

function notAFile(path: string): DomainError {
  return new DomainError('conflict', `'${path}' is neither a file nor a directory`, { reason: 'not_a_file' });
}

function tooLarge(limit: number): DomainError {
  return new DomainError('payload_too_large', `A file may have at most ${limit} bytes`, { details: { limit } });
}

function tooMany(path: string): DomainError {
  return new DomainError('conflict', `'${path}' has more than ${MAX_ENTRIES} entries`, { reason: 'too_many_entries' });
}
