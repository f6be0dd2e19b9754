import { readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 25;
const FAST_STOP_MS = 60_000;
const IMMEDIATE_STOP_MS = 10_000;
const BACKENDS_NOTICE_MS = 2_000;

/**
 * Stops what a killed server left running on `cluster` and removes its `postmaster.pid`. Only processes that really
 * are PostgreSQL on this folder are touched: the number in the file may belong to something else by now, and then
 * PostgreSQL itself would refuse to start because of it.
 */
export async function stopOrphans(cluster: string, report: (line: string) => void): Promise<void> {
  const postmaster = readPostmasterPid(cluster);
  if (postmaster !== undefined && isPostgresOn(postmaster, cluster)) {
    report(`Stopping the PostgreSQL that a killed server left behind (process ${postmaster}).`);
    const steps = [
      ['SIGINT', FAST_STOP_MS],
      ['SIGQUIT', IMMEDIATE_STOP_MS],
    ] as const;
    for (const [signal, ms] of steps) {
      signalIfAlive(postmaster, signal);
      if (await gone(() => isPostgresOn(postmaster, cluster), ms)) break;
    }
    if (isPostgresOn(postmaster, cluster)) {
      throw new Error(`PostgreSQL (process ${postmaster}) still runs on ${cluster} and does not stop.`);
    }
  }
  await stopBackends(cluster);
  rmSync(join(cluster, 'postmaster.pid'), { force: true });
}

/** Backends notice the death of their postmaster within moments; one that does not would block the next start. */
async function stopBackends(cluster: string): Promise<void> {
  for (const signal of ['SIGQUIT', 'SIGKILL'] as const) {
    if (await gone(() => processesOn(cluster).length > 0, BACKENDS_NOTICE_MS)) return;
    for (const pid of processesOn(cluster)) signalIfAlive(pid, signal);
  }
  if (!(await gone(() => processesOn(cluster).length > 0, IMMEDIATE_STOP_MS))) {
    throw new Error(`PostgreSQL processes ${processesOn(cluster).join(', ')} still run on ${cluster}.`);
  }
}

/** The process id in `postmaster.pid`, whatever it belongs to today. */
export function readPostmasterPid(cluster: string): number | undefined {
  const pid = Number.parseInt(readPidFile(cluster)[0] ?? '', 10);
  return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
}

/** True once the postmaster `pid` accepts connections. */
export function isReady(cluster: string, pid: number): boolean {
  const lines = readPidFile(cluster);
  return Number(lines[0]) === pid && lines[7]?.trim() === 'ready';
}

/** True when `pid` is a living PostgreSQL process whose data folder is `cluster` (an absolute, resolved path). */
export function isPostgresOn(pid: number, cluster: string): boolean {
  const args = (readProc(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8')) ?? '').split('\0');
  const program = args[0] ?? '';
  if (basename(program) !== 'postgres' && !program.startsWith('postgres:')) return false;
  // PostgreSQL works inside its data folder, which stays true when the folder is moved; another user's is unreadable.
  const folder = readProc(() => readlinkSync(`/proc/${pid}/cwd`));
  return folder === undefined ? args[args.indexOf('-D') + 1] === cluster : folder === cluster;
}

function processesOn(cluster: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => isPostgresOn(pid, cluster));
}

function readPidFile(cluster: string): string[] {
  return (readProc(() => readFileSync(join(cluster, 'postmaster.pid'), 'utf8')) ?? '').split('\n');
}

/** A process may end, and its files with it, between any two looks at it. */
function readProc(read: () => string): string | undefined {
  try {
    return read();
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

function signalIfAlive(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function gone(exists: () => boolean, ms: number): Promise<boolean> {
  for (const end = Date.now() + ms; exists();) {
    if (Date.now() >= end) return false;
    await sleep(POLL_MS);
  }
  return true;
}
