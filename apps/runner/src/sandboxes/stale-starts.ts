import { readdirSync, readFileSync } from 'node:fs';
import { signalAll } from './process-tree.js';
import { isGone, ownName } from './runner-name.js';

const OWNER = 'ROUNDHOUSE_SANDBOX_RUNNER';
/** Of processes that end while one looks, and of those that are not ours to look into. */
const UNREADABLE = new Set(['ENOENT', 'ESRCH', 'EACCES', 'EPERM']);

/** For the environment of bwrap, which keeps it from what runs inside. */
export function ownerVariable(): Readonly<Record<string, string>> {
  return { [OWNER]: ownName() };
}

/**
 * Ends what runners that were killed have left in the middle of a start. A bwrap that goes with its runner in the instant
 * in which it has made the sandbox's first process, and not yet told it to go on, leaves it waiting forever.
 */
export function endStaleStarts(): void {
  const pids = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  signalAll(
    pids.filter((pid) => isStale(ownerOf(pid))),
    'SIGKILL',
  );
}

function isStale(owner: string | null): boolean {
  return owner !== null && isGone(owner);
}

function ownerOf(pid: number): string | null {
  try {
    const variables = readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0');
    return variables.find((one) => one.startsWith(`${OWNER}=`))?.slice(OWNER.length + 1) ?? null;
  } catch (error) {
    if (UNREADABLE.has((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  }
}
