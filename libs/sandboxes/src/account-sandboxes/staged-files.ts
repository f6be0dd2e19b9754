import { constants } from 'node:fs';
import type { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { Clock, diskFull, DomainError, isDiskFull, urlSafeId } from '#kernel';
import { AppConfig, type Principal } from '#platform';
import type { Directory } from '../workspace/directory.js';
import { receive } from '../workspace/workspace-files.js';
import { WorkspaceRoom } from '../workspace/workspace-room.js';
import { UPLOADS_KEPT_MS, Workspaces } from '../workspace/workspaces.js';

const ID = /^[A-Za-z0-9_-]{21}$/;
const PREFIX = 'staged.';
/** Of one account at a time. */
const MOST = 100;

export interface StagedFile {
  readonly id: string;
  readonly bytes: number;
  /** Until then it may be put into sandboxes, any number of times. */
  readonly expiresAt: Date;
}

/** Files on their way to sandboxes of an account, kept for a day beside its workspace's uploads, which no sandbox sees. */
@Injectable()
export class StagedFiles {
  constructor(
    private readonly workspaces: Workspaces,
    private readonly room: WorkspaceRoom,
    private readonly config: AppConfig,
    private readonly clock: Clock,
  ) {}

  /**
   * The whole content or nothing. `announcedBytes` is 0 when its length is not known. Errors: `payload_too_large` (also
   * `workspace.full`), `conflict` beyond 100, `unavailable` (`disk_full`).
   */
  stage({ accountId }: Principal, content: Readable, announcedBytes: number): Promise<StagedFile> {
    return this.room.hold(accountId, announcedBytes, () => this.bringIn(accountId, content, announcedBytes));
  }

  private async bringIn(accountId: string, content: Readable, announcedBytes: number): Promise<StagedFile> {
    const limit = this.config.SANDBOX_MAX_UPLOAD_BYTES;
    const uploads = await this.workspaces.openUploads(accountId);
    const [part, id] = [urlSafeId(), urlSafeId()];
    try {
      await assertFew(uploads);
      const bytes = await receive(uploads, part, content, limit, announcedBytes);
      if (announcedBytes === 0) await this.room.hold(accountId, bytes, () => Promise.resolve());
      this.room.add(accountId, bytes);
      await uploads.move(part, uploads, PREFIX + id);
      await uploads.sync();
      return { id, bytes, expiresAt: new Date(this.clock.now() + UPLOADS_KEPT_MS) };
    } catch (error) {
      await uploads.removeFile(part).catch(() => undefined);
      throw isDiskFull(error) ? diskFull(error) : error;
    } finally {
      await uploads.close();
    }
  }

  /** Its bytes, to be read or destroyed. Errors: `not_found`, also for another account's. */
  async open({ accountId }: Principal, id: string): Promise<Readable> {
    if (!ID.test(id)) throw notStaged();
    const uploads = await this.workspaces.openUploads(accountId);
    try {
      const file = await uploads.openFile(PREFIX + id, constants.O_RDONLY).catch(absent);
      return file.createReadStream();
    } finally {
      await uploads.close();
    }
  }
}

async function assertFew(uploads: Directory): Promise<void> {
  let count = 0;
  for await (const name of uploads.names()) if (name.startsWith(PREFIX)) count += 1;
  if (count < MOST) return;
  throw new DomainError('conflict', `At most ${MOST} files may be staged at a time`, {
    reason: 'staged_files.limit',
    details: { used: count, limit: MOST },
  });
}

function notStaged(): DomainError {
  return new DomainError('not_found', 'Staged file not found');
}

function absent(error: unknown): never {
  throw (error as NodeJS.ErrnoException).code === 'ENOENT' ? notStaged() : error;
}
