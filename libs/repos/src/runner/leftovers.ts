import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

interface Leftover {
  readonly folder: string;
  readonly name: RegExp;
  readonly hours: number;
}

/**
 * Longer than whatever makes them can run: a git process of ours ends after one hour, a commit or a projection after
 * seconds. A lock that stays would make every later repack fail.
 */
const LEFTOVERS: readonly Leftover[] = [
  { folder: '', name: /^(packed-refs|HEAD)\.\d+\.\d+\.new$/, hours: 2 },
  { folder: 'objects/pack', name: /^multi-pack-index\.lock$/, hours: 2 },
  { folder: 'objects/info', name: /^commit-graph\.lock$/, hours: 2 },
  { folder: 'objects/info/commit-graphs', name: /^(commit-graph-chain\.lock|tmp_graph_\w+)$/, hours: 2 },
  { folder: 'objects/pack', name: /^(tmp_(pack|idx|rev)_\w+|\.tmp-.+)$/, hours: 24 },
];
const HOUR_MS = 3_600_000;

/**
 * Removes the locks and unfinished files of processes that were killed, which nothing else would ever do.
 * @param now milliseconds since the epoch
 * @returns how many were removed
 */
export async function sweepLeftovers(repo: string, now: number): Promise<number> {
  let removed = 0;
  for (const { folder, name, hours } of LEFTOVERS) {
    for (const file of (await ifPresent(readdir(join(repo, folder)))) ?? []) {
      if (!name.test(file)) continue;
      const path = join(repo, folder, file);
      const facts = await ifPresent(stat(path));
      if (facts === null || now - facts.mtimeMs < hours * HOUR_MS) continue;
      await rm(path, { force: true });
      removed += 1;
    }
  }
  return removed;
}

async function ifPresent<Result>(work: Promise<Result>): Promise<Result | null> {
  try {
    return await work;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
