import { existsSync, readFileSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import { LRUCache } from 'lru-cache';
import { VanishedFileError } from './file-pool.js';
import { CorruptObjectError, MAX_CACHED_OBJECT_BYTES, readRequired } from './git-object.js';
import type { GitObject, ObjectAdopter, ObjectInfo } from './git-object.js';
import { ObjectDirectory } from './object-directory.js';
import type { ReadResources } from './object-directory.js';
import { EMPTY_TREE, isOid } from './oid.js';
import type { StoredExtent } from './pack-file.js';
import { Tree } from './tree.js';
import type { TreeReader } from './tree.js';

/** Listings repeated for one look-up before a vanishing pack counts as damage. */
const MAX_ATTEMPTS = 5;
const MAX_ALTERNATES = 16;
/**
 * Far below the weeks of grace unreachable objects have: a commit must never be built on an object that only this
 * cache still remembers.
 */
const CACHED_MS = 10 * 60_000;

interface CachedObject {
  readonly object: GitObject;
  tree?: Tree;
}

/** Commits, trees and tags by `store:oid`, shared by the stores of a thread and bounded in bytes. */
export type ObjectCache = LRUCache<string, CachedObject>;

export function createObjectCache(maxBytes: number): ObjectCache {
  const sizeCalculation = ({ object }: CachedObject): number => object.data.length + 512;
  return new LRUCache({ maxSize: maxBytes, sizeCalculation, ttl: CACHED_MS, ttlResolution: 1000 });
}

export interface StoreResources extends ReadResources {
  readonly objects: ObjectCache;
}

let nextStoreId = 1;

/**
 * All objects of one bare repository: packs, loose objects and alternates, optionally with a quarantine directory in
 * front. Synchronous; for worker threads only. Every object read is checked against its id, so damaged storage is an
 * error and never a wrong answer. Survives concurrent repacks by listing again.
 */
export class ObjectStore implements TreeReader, ObjectAdopter {
  private readonly id = nextStoreId++;
  private directories: ObjectDirectory[] = [];

  constructor(
    readonly gitDir: string,
    private readonly resources: StoreResources,
    private readonly quarantineDir?: string,
  ) {
    this.openDirectories();
  }

  /** The `objects` directory new packs belong in. */
  get objectsDir(): string {
    return join(this.gitDir, 'objects');
  }

  /** The object, or null when no copy exists. Throws CorruptObjectError when only damaged copies do. */
  find(oid: string): GitObject | null {
    return this.cached(oid)?.object ?? null;
  }

  /** The parsed directory `oid`; it must exist and be a tree. */
  tree(oid: string): Tree {
    const known = this.cached(oid);
    if (known?.tree !== undefined) return known.tree;
    const tree = new Tree(readRequired({ find: () => known?.object ?? null }, oid, 'tree'));
    if (known !== null) known.tree = tree;
    return tree;
  }

  /** Keeps objects that were just written, so that the next commit finds its parent without touching the disk. */
  adopt(objects: Iterable<readonly [oid: string, object: GitObject]>): void {
    for (const [oid, object] of objects) this.remember(this.key(oid), { object });
  }

  /** Type and size without inflating the object, or null. Unlike `find` this trusts the stored headers. */
  info(oid: string): ObjectInfo | null {
    const known = this.resources.objects.get(this.key(oid));
    if (known !== undefined) return { type: known.object.type, size: known.object.data.length };
    const info = this.search(oid, (directory, name, failures) => directory.info(name, failures));
    if (info !== null) return { type: info.type, size: info.size };
    return oid === EMPTY_TREE ? { type: 'tree', size: 0 } : null;
  }

  /** Where the object's compressed bytes lie; `extent` is null for a delta; null when there is no such object. */
  extent(oid: string): { readonly extent: (StoredExtent & { skip: number }) | null } | null {
    return this.search(oid, (directory, name, failures) => directory.extent(name, failures));
  }

  /** The only object id beginning with `prefix` (4 to 40 lowercase hex digits), null, or 'ambiguous'. */
  resolvePrefix(prefix: string): string | null | 'ambiguous' {
    const found = this.matching(prefix);
    if (found.size === 0 && this.refresh()) for (const oid of this.matching(prefix)) found.add(oid);
    if (found.size > 1) return 'ambiguous';
    return found.values().next().value ?? null;
  }

  /** Ids of everything in the quarantine directory, in storage order. */
  *quarantinedOids(): Generator<string> {
    const quarantine = this.directories.find((directory) => directory.path === this.quarantineDir);
    if (quarantine !== undefined) yield* quarantine.allOids();
  }

  /** Looks for packs that came or went; true when anything was listed again. */
  refresh(force = false): boolean {
    let changed = false;
    for (const directory of this.directories) changed = directory.refresh(force) || changed;
    return this.openDirectories() || changed;
  }

  close(): void {
    for (const directory of this.directories) directory.close();
  }

  private cached(oid: string): CachedObject | null {
    const key = this.key(oid);
    const known = this.resources.objects.get(key);
    if (known !== undefined) return known;
    const object = this.search(oid, (directory, name, failures) => directory.read(name, failures));
    if (object === null) return oid === EMPTY_TREE ? { object: { type: 'tree', data: Buffer.alloc(0) } } : null;
    const entry: CachedObject = { object };
    this.remember(key, entry);
    return entry;
  }

  private remember(key: string, entry: CachedObject): void {
    const { type, data } = entry.object;
    if (type !== 'blob' && data.length <= MAX_CACHED_OBJECT_BYTES) this.resources.objects.set(key, entry);
  }

  private search<T>(
    oid: string,
    look: (directory: ObjectDirectory, name: Buffer, failures: unknown[]) => T | null,
  ): T | null {
    if (!isOid(oid)) return null;
    const name = Buffer.from(oid, 'hex');
    for (let attempt = 1; ; attempt += 1) {
      const failures: unknown[] = [];
      for (const directory of this.directories) {
        const answer = look(directory, name, failures);
        if (answer !== null) return answer;
      }
      const vanished = failures.some((failure) => failure instanceof VanishedFileError);
      if (attempt < MAX_ATTEMPTS && (attempt === 1 || vanished) && this.refresh(vanished)) continue;
      if (failures.length === 0) return null;
      throw (
        failures.find((failure) => failure instanceof CorruptObjectError) ?? new CorruptObjectError('pack vanished')
      );
    }
  }

  private matching(prefix: string): Set<string> {
    const failures: unknown[] = [];
    const found = new Set(this.directories.flatMap((directory) => directory.matches(prefix, 2, failures)));
    if (failures.length === 0) return found;
    if (failures.every((failure) => failure instanceof VanishedFileError)) {
      this.refresh(true);
      return new Set(this.directories.flatMap((directory) => directory.matches(prefix, 2, [])));
    }
    throw failures.find((failure) => failure instanceof CorruptObjectError) ?? new CorruptObjectError('pack vanished');
  }

  /** Opens the directories that are not open yet, following `info/alternates`; true when there was a new one. */
  private openDirectories(): boolean {
    const wanted = this.quarantineDir === undefined ? [this.objectsDir] : [this.quarantineDir, this.objectsDir];
    for (let i = 0; i < wanted.length && wanted.length < MAX_ALTERNATES; i += 1) {
      for (const alternate of alternatesOf(wanted[i] as string)) {
        if (!wanted.includes(alternate)) wanted.push(alternate);
      }
    }
    const open = new Map(this.directories.map((directory) => [directory.path, directory]));
    const added = wanted.some((path) => !open.has(path));
    if (added) {
      this.directories = wanted.map((path) => open.get(path) ?? new ObjectDirectory(path, this.resources, this));
    }
    return added;
  }

  private key(oid: string): string {
    return `${this.id}:${oid}`;
  }
}

function alternatesOf(objectsDir: string): string[] {
  const file = join(objectsDir, 'info', 'alternates');
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => (isAbsolute(line) ? line : resolve(objectsDir, line)));
}
