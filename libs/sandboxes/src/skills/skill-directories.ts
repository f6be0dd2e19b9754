import { createHash, randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { DomainError, onDisk } from '#kernel';
import { OWN_DIRECTORIES } from '../scope/file-access.js';
import { STAGING } from '../lifecycle/own-directories.js';
import { SKILLS, Workspaces } from '../workspace/workspaces.js';
import { SKILL_LIMITS, skillTooLarge } from './skill.js';
import { unpackSkill, type UnpackedSkill } from './skill-archive.js';

/** What the limits allow, stored as it is, with the headers of so many entries. */
const MAX_ARCHIVE_BYTES = SKILL_LIMITS.bytes + 4 * 1_048_576;

export interface ReceivedArchive {
  /** A directory of its own; what a crash leaves of it, WorkspaceSweeper finds. `discard` ends it. */
  readonly folder: string;
  /** SHA-256 of its bytes, hex. */
  readonly digest: string;
}

export interface StagedSkill extends UnpackedSkill {
  /** Whole and on disk, not yet in its place. */
  readonly content: string;
}

/**
 * The directories of skills, one for each version, beside those of sandboxes in the account's workspace: what a sandbox
 * may be shown must lie there. None of them ever changes once it is in its place.
 */
@Injectable()
export class SkillDirectories {
  constructor(private readonly workspaces: Workspaces) {}

  /** The folder of an account's versions. */
  folderOf(accountId: string): string {
    return join(this.workspaces.pathOf(accountId), OWN_DIRECTORIES, SKILLS);
  }

  /** The archive in a file. Errors: `payload_too_large`; `bad_request` when it ends before its end. */
  async receive(accountId: string, content: Readable): Promise<ReceivedArchive> {
    await this.workspaces.prepare(accountId);
    const staging = join(this.workspaces.pathOf(accountId), OWN_DIRECTORIES, STAGING);
    const folder = join(staging, `skill.${randomBytes(8).toString('hex')}`);
    try {
      await onDisk(() => mkdir(folder, { recursive: true }));
      return { folder, digest: await receive(archiveIn(folder), content) };
    } catch (error) {
      await this.discard({ folder });
      throw error;
    }
  }

  /** Errors: `bad_request` (`invalid_archive`), `payload_too_large`. */
  async unpack({ folder }: ReceivedArchive): Promise<StagedSkill> {
    const content = join(folder, 'content');
    await onDisk(() => mkdir(content));
    return { content, ...(await onDisk(() => unpackSkill(archiveIn(folder), content))) };
  }

  /** In one step. What is in its place before anything refers to it is nothing yet: the sweep takes it away. */
  async install(accountId: string, version: string, { content }: StagedSkill): Promise<void> {
    await onDisk(async () => {
      const folder = await this.workspaces.openSkills(accountId);
      try {
        await rename(content, join(this.folderOf(accountId), version));
        await folder.sync();
      } finally {
        await folder.close();
      }
    });
  }

  async remove(accountId: string, version: string): Promise<void> {
    await rm(join(this.folderOf(accountId), version), { recursive: true, force: true, maxRetries: 3 });
  }

  async discard({ folder }: Pick<ReceivedArchive, 'folder'>): Promise<void> {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

function archiveIn(folder: string): string {
  return join(folder, 'archive.zip');
}

async function receive(path: string, content: Readable): Promise<string> {
  const file = await onDisk(() => open(path, 'wx', 0o600));
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    // A refusal must not destroy the request: its connection carries the answer.
    for await (const chunk of content.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MAX_ARCHIVE_BYTES) throw archiveTooLarge();
      hash.update(chunk);
      await onDisk(() => file.writeFile(chunk));
    }
  } catch (error) {
    // What the disk says is no fault of whoever sends.
    if (error instanceof DomainError || (error as NodeJS.ErrnoException).syscall === 'write') throw error;
    throw new DomainError('bad_request', 'The archive could not be read to its end', { cause: error });
  } finally {
    await file.close();
  }
  return hash.digest('hex');
}

/** Errors: `payload_too_large` for an archive that says so itself. */
export function assertArchiveSize(announced: number): void {
  if (announced > MAX_ARCHIVE_BYTES) throw archiveTooLarge();
}

function archiveTooLarge(): DomainError {
  return skillTooLarge(`The archive has more than ${MAX_ARCHIVE_BYTES} bytes`, MAX_ARCHIVE_BYTES);
}
