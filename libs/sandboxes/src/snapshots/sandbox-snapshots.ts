import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { Injectable } from '@nestjs/common';
import { Clock, faultPoint, onDisk } from '#kernel';
import { Blobs } from '#platform';
import type { Life, LifeChange } from '../lifecycle/life.js';
import { sandboxLost } from '../lifecycle/life.js';
import { OwnDirectories } from '../lifecycle/own-directories.js';
import { SNAPSHOT_HOLDER } from '../lifecycle/sandbox-ends.js';
import { Workspaces } from '../workspace/workspaces.js';
import type { SnapshotRoot } from './manifest.js';
import { type SnapshotServices, inSnapshotThread } from './snapshot-thread.js';

/** Snapshots that are taken or restored at once; others wait. */
const AT_ONCE = 2;

/**
 * Copies of a sandbox's directory as blobs, every byte, mode, empty directory and link of it. For whoever holds the
 * sandbox's lease, while nothing runs in it.
 */
@Injectable()
export class SandboxSnapshots {
  private readonly waiting: (() => void)[] = [];
  private running = 0;

  constructor(
    private readonly blobs: Blobs,
    private readonly directories: OwnDirectories,
    private readonly workspaces: Workspaces,
    private readonly clock: Clock,
  ) {}

  /** The change that makes it the sandbox's snapshot, in the place of the one before. Errors: `unavailable`, `not_found`. */
  async take(life: Life, signal: AbortSignal): Promise<LifeChange> {
    await this.directories.recover(life);
    if (!(await this.directories.exists(life))) throw sandboxLost();
    const keep = async (spooled: Parameters<Blobs['keep']>[0]): Promise<void> => void (await this.blobs.keep(spooled));
    const how = { directory: this.directories.pathOf(life), spoolFolder: this.blobs.spoolFolder };
    const services = { keep, fetch: () => Promise.reject(new Error('Nothing is fetched')) };
    const taken = await this.inTurn(() => inSnapshotThread({ kind: 'take', how }, services, signal));
    if (!taken) throw new Error('A snapshot was taken and is not there');
    faultPoint('sandbox.snapshot-stored');
    const holder = { kind: SNAPSHOT_HOLDER, ownerId: life.id };
    const { digest, bytes, digests } = taken;
    return {
      snapshot: { url: snapshotName(digest), digest, bytes, createdAt: this.clock.date() },
      effect: async () => {
        await this.blobs.release(holder);
        await this.blobs.holdAll(digests, holder);
      },
    };
  }

  /** Puts the snapshot in the place of the directory, whole or not at all. Errors: `not_found`, `operation_failed`. */
  async restore(life: Life, signal: AbortSignal): Promise<void> {
    if (life.snapshotDigest === null) throw sandboxLost();
    const root = JSON.parse(await text(await this.blobs.open(life.snapshotDigest))) as SnapshotRoot;
    const entries = await this.fetch(root.entries);
    const directory = await this.directories.build(life);
    try {
      const how = { directory, entries, uid: this.workspaces.ownerUid };
      const services: SnapshotServices = {
        keep: () => Promise.reject(new Error('Nothing is kept')),
        fetch: (index) => this.fetch(root.blobs[index] ?? ''),
      };
      await this.inTurn(() => inSnapshotThread({ kind: 'restore', how }, services, signal));
      signal.throwIfAborted();
      await this.directories.replace(life, directory);
    } finally {
      await rm(entries, { force: true });
      await this.directories.discard(directory);
    }
  }

  /** Among the spools, so that what a crash leaves is swept with them. */
  private async fetch(digest: string): Promise<string> {
    const folder = this.blobs.spoolFolder;
    const path = join(folder, `${randomUUID()}.spool`);
    await onDisk(async () => {
      await mkdir(folder, { recursive: true });
      await pipeline(await this.blobs.open(digest), createWriteStream(path, { flags: 'wx', mode: 0o600 }));
    });
    return path;
  }

  private async inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.running >= AT_ONCE) await new Promise<void>((resolve) => this.waiting.push(resolve));
    else this.running += 1;
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.running -= 1;
    }
  }
}

/** How clients name a snapshot. */
export function snapshotName(digest: string): string {
  return `snapshot:${digest}`;
}
