import { statSync } from 'node:fs';
import { join } from 'node:path';
import { LRUCache } from 'lru-cache';
import { DomainError } from '#kernel';
import { FilePool } from './file-pool.js';
import { createObjectCache, ObjectStore } from './object-store.js';
import type { StoreResources } from './object-store.js';
import { createDeltaBaseCache } from './pack-file.js';

export interface StoreCacheLimits {
  /** Open repositories. */
  readonly stores: number;
  /** Open descriptors over all of them. */
  readonly files: number;
  /** Bytes of cached commits, trees and tags. */
  readonly objectBytes: number;
  /** Bytes of cached delta bases. */
  readonly baseBytes: number;
}

export const DEFAULT_LIMITS: StoreCacheLimits = {
  stores: 512,
  files: 512,
  objectBytes: 32 * 1024 * 1024,
  baseBytes: 24 * 1024 * 1024,
};

/** How long an open repository may go without looking for packs that a repack has deleted. */
const REFRESH_MS = 30_000;
const IDLE_MS = 120_000;

interface OpenStore {
  readonly store: ObjectStore;
  readonly identity: string;
  refreshedAt: number;
}

export function repositoryGone(): DomainError {
  return new DomainError('not_found', 'Repository not found');
}

/** The repositories a thread has open, least recently used closed first. */
export class StoreCache {
  private readonly stores: LRUCache<string, OpenStore>;
  private readonly resources: StoreResources;

  constructor(limits: StoreCacheLimits = DEFAULT_LIMITS) {
    this.resources = {
      files: new FilePool(limits.files),
      bases: createDeltaBaseCache(limits.baseBytes),
      objects: createObjectCache(limits.objectBytes),
    };
    this.stores = new LRUCache({ max: limits.stores, dispose: ({ store }) => store.close() });
  }

  /** The store of the bare repository at `gitDir`. Throws not_found when there is none. */
  open(gitDir: string): ObjectStore {
    const identity = directoryIdentity(gitDir);
    const known = this.stores.get(gitDir);
    // A repository deleted and created again at the same place is another one: nothing cached may leak into it.
    if (known !== undefined && known.identity === identity) return this.refreshed(known);
    if (identity === null) {
      this.stores.delete(gitDir);
      throw repositoryGone();
    }
    const store = new ObjectStore(gitDir, this.resources);
    this.stores.set(gitDir, { store, identity, refreshedAt: Date.now() });
    return store;
  }

  /** A store that also sees the objects in `quarantineDir`; the caller closes it. */
  openWithQuarantine(gitDir: string, quarantineDir: string): ObjectStore {
    if (directoryIdentity(gitDir) === null) throw repositoryGone();
    return new ObjectStore(gitDir, this.resources, quarantineDir);
  }

  /** Gives back descriptors nobody used lately; to be called now and then. */
  closeIdleFiles(): void {
    this.resources.files.closeIdle(IDLE_MS);
  }

  get openFiles(): number {
    return this.resources.files.openCount;
  }

  close(): void {
    this.stores.clear();
    this.resources.files.closeAll();
  }

  private refreshed(open: OpenStore): ObjectStore {
    const now = Date.now();
    if (now - open.refreshedAt > REFRESH_MS) {
      open.refreshedAt = now;
      open.store.refresh();
    }
    return open.store;
  }
}

/** Inode numbers are reused at once, so the time of birth is part of what makes a directory this directory. */
function directoryIdentity(gitDir: string): string | null {
  const stat = statSync(join(gitDir, 'objects'), { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? null : `${stat.dev}:${stat.ino}:${stat.birthtimeNs}`;
}
