import { link, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { diskFull, isDiskFull } from '#kernel';

const QUARANTINE = /^incoming-[0-9a-f]{24}$/;
/** The index last: a pack without one is invisible, an index without its pack is damage. */
const SUFFIXES = ['.pack', '.rev', '.idx'] as const;

/**
 * Makes quarantined packs part of the repository, durably. Plain file work that may run inside a transaction; calling
 * it again (a retried transaction) is harmless. The quarantine itself stays until `dropQuarantine`. To be called by one
 * at a time per repository. @throws unavailable (`disk_full`)
 */
export async function publishPacks(repo: string, quarantine: string, packs: readonly string[]): Promise<void> {
  const from = join(quarantinePath(repo, quarantine), 'pack');
  const into = join(repo, 'objects', 'pack');
  const present = new Set(await readdir(from));
  try {
    for (const pack of packs) {
      const files = SUFFIXES.map((suffix) => pack + suffix).filter((file) => present.has(file));
      await Promise.all(files.map((file) => syncFile(join(from, file))));
      await linkAll(from, into, files);
    }
    await syncFile(into);
  } catch (error) {
    throw isDiskFull(error) ? diskFull(error) : error;
  }
}

/** Removes a quarantine and all in it; one that is gone already is no error. */
export async function dropQuarantine(repo: string, quarantine: string): Promise<void> {
  await rm(quarantinePath(repo, quarantine), { recursive: true, force: true });
}

/**
 * Removes the quarantines that a crash left behind, i.e. those untouched for `olderThanMs`.
 * @returns how many were removed
 */
export async function sweepQuarantines(repo: string, olderThanMs: number, now: number): Promise<number> {
  let removed = 0;
  for (const name of await readdir(join(repo, 'objects'))) {
    if (!QUARANTINE.test(name) || now - (await lastTouched(quarantinePath(repo, name))) < olderThanMs) continue;
    await dropQuarantine(repo, name);
    removed += 1;
  }
  return removed;
}

/** Absolute path of a quarantine: an object directory with the repository as its alternate. */
export function quarantinePath(repo: string, quarantine: string): string {
  if (!QUARANTINE.test(quarantine)) throw new Error('Not a quarantine name');
  return join(repo, 'objects', quarantine);
}

/** Milliseconds since the epoch of the last sign of life: a pack that is still arriving grows in `pack/`. */
async function lastTouched(folder: string): Promise<number> {
  try {
    const packs = join(folder, 'pack');
    const paths = [folder, packs, ...(await readdir(packs)).map((file) => join(packs, file))];
    const stats = await Promise.all(paths.map((path) => stat(path)));
    return Math.max(...stats.map((facts) => facts.mtimeMs));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return Number.POSITIVE_INFINITY;
    throw error;
  }
}

async function linkAll(from: string, into: string, files: readonly string[]): Promise<void> {
  const linked: string[] = [];
  try {
    for (const file of files) if (await linkOnce(join(from, file), join(into, file))) linked.push(join(into, file));
  } catch (error) {
    // Its index is the last: nobody has seen this pack, and on a full disk it would only take up room.
    for (const path of linked) await rm(path, { force: true });
    throw error;
  }
}

/** False when the file is there already: pack names are made of their content, so it is the same pack. */
async function linkOnce(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false;
    throw error;
  }
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

function isErrno(error: unknown, code: string): boolean {
  return (error as NodeJS.ErrnoException).code === code;
}
