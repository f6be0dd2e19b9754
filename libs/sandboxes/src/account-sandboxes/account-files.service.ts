import { isUtf8 } from 'node:buffer';
import type { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { DomainError, ifAbsent } from '#kernel';
import type { Principal } from '#platform';
import { CHECKOUT, checkoutOf, codingScope } from '../coding-sessions/checkout.js';
import type { CodingSession } from '../coding-sessions/coding-session.js';
import { CodingSessionsService } from '../coding-sessions/coding-sessions.service.js';
import { OwnDirectories } from '../lifecycle/own-directories.js';
import { SandboxLifecycle } from '../lifecycle/sandbox-lifecycle.js';
import { toCheckoutPath, wholeFile } from '../workbench/checkout-files.service.js';
import { Directory } from '../workspace/directory.js';
import { fileTree, type FileTree } from '../workspace/file-tree.js';
import { Preconditions } from '../workspace/preconditions.js';
import { type FileView, WorkspaceFiles, type WrittenFile } from '../workspace/workspace-files.js';
import { AccountHomesRepository } from './account-homes.repository.js';
import { noSandbox } from './account-sandbox.js';

/** Of a file that is answered in one piece. */
const MAX_READ_BYTES = 1_048_576;
const MAX_TREE = 2_000;

export interface ReadFile {
  readonly sandboxId: string;
  readonly path: string;
  /** Text, or base64 of what is none. */
  readonly content: string;
  readonly encoding: 'utf-8' | 'base64';
  readonly size: number;
}

/** Files in the checkouts of an account's own sandboxes: of the current one unless another is named. */
@Injectable()
export class AccountFilesService {
  constructor(
    private readonly homes: AccountHomesRepository,
    private readonly sessions: CodingSessionsService,
    private readonly lifecycle: SandboxLifecycle,
    private readonly directories: OwnDirectories,
    private readonly files: WorkspaceFiles,
  ) {}

  /** Errors: `not_found` (`no_sandbox` when the account has none), `forbidden` for another account's. */
  async sandboxOf(caller: Principal, sandboxId: string | null): Promise<CodingSession> {
    const id = sandboxId ?? (await this.homes.findCurrent(caller.accountId));
    if (id === null) throw noSandbox();
    return this.sessions.get(caller, id);
  }

  /**
   * A file as it is now, whether its sandbox is up or rests. Errors: those of `sandboxOf`; `bad_request` for a path no
   * checkout has and for a directory; `not_found`, also for a link that leads out; `payload_too_large`.
   */
  async read(caller: Principal, sandboxId: string | null, requested: string): Promise<ReadFile> {
    const path = toCheckoutPath(requested);
    const session = await this.sandboxOf(caller, sandboxId);
    // Looking into a lost directory would make an empty one, which nothing is restored into.
    if (!(await this.directories.exists(session))) throw new DomainError('not_found', 'File not found');
    const content = await wholeFile(this.files, viewOf(caller, session), inCheckout(session, path), MAX_READ_BYTES);
    const isText = isUtf8(content) && !content.includes(0);
    const encoding = isText ? 'utf-8' : 'base64';
    const text = content.toString(isText ? 'utf8' : 'base64');
    return { sandboxId: session.id, path, content: text, encoding, size: content.length };
  }

  /**
   * Writes a file, whole or not at all; a sandbox that rests is woken up, so that nothing moves its directory meanwhile.
   * `path` is one of `toCheckoutPath`. Errors: those of `SandboxLifecycle.use` and `WorkspaceFiles.write`; `conflict`
   * (`sandbox_stopped`) once the sandbox is stopped: that does not wait for a slow client.
   */
  async write(
    caller: Principal,
    session: CodingSession,
    path: string,
    { content, bytes }: { readonly content: Readable; readonly bytes: number | null },
  ): Promise<WrittenFile> {
    const { signal, release } = await this.lifecycle.use(session);
    const stop = (): unknown => content.destroy(signal.reason as Error);
    // Whoever reads it is told, and the stop may come while nobody does.
    content.on('error', () => undefined);
    signal.addEventListener('abort', stop, { once: true });
    // It may have been stopped before anybody listened.
    if (signal.aborted) stop();
    try {
      const terms = { preconditions: Preconditions.NONE, announcedBytes: bytes };
      return await this.files.write(viewOf(caller, session), inCheckout(session, path), terms, content);
    } finally {
      release();
    }
  }

  /** What is in the checkout of the account's current sandbox; null without one, or when it has no directory. */
  async currentTree(caller: Principal): Promise<FileTree | null> {
    const id = await this.homes.findCurrent(caller.accountId);
    if (id === null) return null;
    const own = await Directory.at(this.directories.pathOf({ id, accountId: caller.accountId })).catch(ifAbsent(null));
    if (!own) return null;
    try {
      return await fileTree(own, CHECKOUT, MAX_TREE);
    } finally {
      await own.close();
    }
  }
}

function viewOf(caller: Principal, { id, accountId }: CodingSession): FileView {
  return { caller, accountId, scope: codingScope(id) };
}

function inCheckout({ id }: CodingSession, path: string): string {
  return [...checkoutOf(codingScope(id)), path].join('/');
}
