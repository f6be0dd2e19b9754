import { randomBytes } from 'node:crypto';
import { lstat, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Injectable } from '@nestjs/common';
import { faultPoint, ifAbsent } from '#kernel';
import { OWN_DIRECTORIES } from '../scope/file-access.js';
import { Workspaces } from '../workspace/workspaces.js';
import type { Life } from './life.js';

/** Where directories are built and taken apart. Not an id of a sandbox, so no sandbox ever sees it. */
export const STAGING = '.staging';

type Owner = Pick<Life, 'id' | 'accountId'>;

/**
 * The directories of sandboxes, `.sessions/<id>`, as wholes: made, replaced and removed in single steps, so that a crash
 * at any moment leaves the old or the new one. For whoever holds the sandbox's lease, and while nothing runs in it.
 */
@Injectable()
export class OwnDirectories {
  constructor(private readonly workspaces: Workspaces) {}

  pathOf({ accountId, id }: Owner): string {
    return join(this.workspaces.pathOf(accountId), OWN_DIRECTORIES, id);
  }

  async exists(owner: Owner): Promise<boolean> {
    return isThere(this.pathOf(owner));
  }

  /** An empty directory to build in, on the same file system. `replace` or `discard` ends it. */
  async build(owner: Owner): Promise<string> {
    await this.workspaces.prepare(owner.accountId);
    await this.recover(owner);
    const path = join(this.stagingOf(owner), `${owner.id}.${randomBytes(8).toString('hex')}`);
    await mkdir(path, { recursive: true });
    return path;
  }

  async discard(built: string): Promise<void> {
    await rm(built, { recursive: true, force: true, maxRetries: 3 });
  }

  /** Puts what was built, and is on disk, in the place of the sandbox's directory. */
  async replace(owner: Owner, built: string): Promise<void> {
    const { path, fresh, stale } = this.placesOf(owner);
    await rename(built, fresh);
    faultPoint('sandbox.directory-built');
    await rename(path, stale).catch(ifAbsent(undefined));
    faultPoint('sandbox.directory-moved-away');
    await rename(fresh, path);
    await syncDirectory(join(path, '..'));
    await rm(stale, { recursive: true, force: true, maxRetries: 3 });
  }

  /** Ends a replacement that a crash cut off, and clears away what was being built. */
  async recover(owner: Owner): Promise<void> {
    const { path, fresh, stale } = this.placesOf(owner);
    const wasMovedAway = await isThere(stale);
    if ((await isThere(fresh)) && (wasMovedAway || !(await isThere(path)))) {
      // Whoever looked into the sandbox meanwhile may have made an empty directory in its place.
      await rm(path, { recursive: true, force: true });
      await rename(fresh, path);
    } else if (wasMovedAway && !(await isThere(path))) {
      await rename(stale, path);
    }
    await this.clearStaging(owner);
  }

  /** In two steps, of which the first hides it. Idempotent. */
  async remove(owner: Owner): Promise<void> {
    const { path, stale } = this.placesOf(owner);
    await this.workspaces.prepare(owner.accountId);
    await mkdir(this.stagingOf(owner), { recursive: true });
    await this.discard(stale);
    await rename(path, stale).catch(ifAbsent(undefined));
    await this.clearStaging(owner);
  }

  private async clearStaging(owner: Owner): Promise<void> {
    const staging = this.stagingOf(owner);
    const names = await readdir(staging).catch(ifAbsent<string[]>([]));
    for (const name of names) if (name.startsWith(`${owner.id}.`)) await this.discard(join(staging, name));
  }

  private placesOf(owner: Owner): { path: string; fresh: string; stale: string } {
    const staged = join(this.stagingOf(owner), owner.id);
    return { path: this.pathOf(owner), fresh: `${staged}.new`, stale: `${staged}.old` };
  }

  private stagingOf({ accountId }: Owner): string {
    return join(this.workspaces.pathOf(accountId), OWN_DIRECTORIES, STAGING);
  }
}

function isThere(path: string): Promise<boolean> {
  return lstat(path).then(() => true, ifAbsent(false));
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
