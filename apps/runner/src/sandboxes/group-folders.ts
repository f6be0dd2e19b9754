import { existsSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { signalAll } from './process-tree.js';
import { isGone } from './runner-name.js';

/** Below the group that this process is in, or was before it made room for others. */
export const SANDBOXES = 'roundhouse-sandboxes';
/** How often what a group is given in processor time is counted anew. */
export const PERIOD_US = 100_000;
const LEAST_QUOTA_US = 1_000;
const REMOVAL_TRIES = 200;
/** What the kernel says of groups that are not there, or not ours to make. */
const NOT_OURS = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOENT', 'EBUSY', 'EINVAL', 'ENOTSUP']);

/** With what the kernel says where groups are not ours to make. */
export async function ifOurs<Result>(
  open: () => Promise<Result>,
  otherwise: (code: string) => Result,
): Promise<Result> {
  try {
    return await open();
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (NOT_OURS.has(code)) return otherwise(code);
    throw error;
  }
}

/** Of cores, in fractions too, what the kernel counts by. */
export function quotaOf(cpus: number): number {
  return Math.max(LEAST_QUOTA_US, Math.round(cpus * PERIOD_US));
}

/** Removes what processes that are gone have left in `folder`; what cannot be killed waits for the next start. */
export async function clearStale(folder: string): Promise<void> {
  if (!existsSync(folder)) return;
  for (const name of subfolders(folder)) {
    if (!isGone(name)) continue;
    await removeGroup(join(folder, name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EBUSY') throw error;
      process.stderr.write(`sandbox runner: a group of a server that is gone cannot be removed: ${name}\n`);
    });
  }
}

/** Kills what is in the group and the groups below it, and removes them; a group goes only when it is empty. */
export async function removeGroup(folder: string): Promise<void> {
  for (let tries = 1; existsSync(folder); tries += 1) {
    try {
      killAll(folder);
      for (const name of subfolders(folder)) await removeGroup(join(folder, name));
      return rmdirSync(folder);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENODEV') return;
      if (code !== 'EBUSY' || tries === REMOVAL_TRIES) throw error;
    }
    await pause(10);
  }
}

/** A number of a file of `name number` lines; 0 once the group is gone, and its commands with it. */
export function countIn(file: string, name: string): number {
  const facts = existsSync(file) ? readFileSync(file, 'utf8') : '';
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(facts)?.[1] ?? 0);
}

export function pidsIn(folder: string): number[] {
  return readFileSync(join(folder, 'cgroup.procs'), 'latin1').split('\n').filter(Boolean).map(Number);
}

/** All at once where the kernel can: one by one, who forks fast gets away until the next time. */
function killAll(folder: string): void {
  const all = join(folder, 'cgroup.kill');
  if (existsSync(all)) writeFileSync(all, '1');
  else signalAll(pidsIn(folder), 'SIGKILL');
}

function subfolders(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
}
