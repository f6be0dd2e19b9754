import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { PeriodicTasks } from '../../../libs/platform/src/index.js';
import { sql } from '../pinned-sessions.js';
import type { TestServer } from '../server.js';

const PATIENCE_MS = 150_000;
const STILL_MAKING_MS = 2_000;
const GROUPS = '/sys/fs/cgroup';
/** Of things that go while one looks. */
const GONE = new Set(['ENOENT', 'ESRCH', 'ENODEV', 'EACCES', 'ENOTDIR']);

/** Rows that there must not be once every sandbox is deleted. */
const ROWS: Readonly<Record<string, string>> = {
  sandboxes: `select id || ' ' || coalesce(state, '-') || ' ' || coalesce(lease_id, '-') as what from sandbox`,
  remains: 'select sandbox_id as what from sandbox_remains',
  commands: 'select id as what from execution',
  runs: `select id || ' ' || status as what from agent_run where ended_at is null or sandbox_id is not null`,
  snapshots: `select owner_id as what from blob_hold where kind = 'sandbox_snapshot'`,
  chats: 'select id::text as what from chat',
};

/** What is left of sandboxes that are all deleted: on the machine, on the disk and in the database. Waits until nothing is. */
export async function leftovers(
  server: TestServer,
  ids: readonly string[],
  runners: ReadonlySet<number>,
): Promise<string[]> {
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    const tasks = server.app.get(PeriodicTasks);
    // As if the time had passed after which one is looked at again whose conversation was not recorded yet.
    await sql(
      server,
      `update sandbox set lease_expires_at = now() - interval '1 s' where state = 'destroying' and lease_id is not null`,
    );
    // And after which directories are looked for again that somebody was still making when they were removed.
    if (performance.now() > until - PATIENCE_MS + STILL_MAKING_MS)
      await sql(server, 'update sandbox_remains set remove_after = now() where is_removed');
    for (const task of ['sandboxes.reconcile', 'executions.sweep']) await tasks.runNow(task);
    const left = [
      ...(await rowsLeft(server)),
      ...processesLeft(ids, runners),
      ...foldersLeft(server.dataDir, new Set(ids)),
      ...groupsLeft(GROUPS, new Set(ids)),
      ...filesOpen(process.pid, server.dataDir),
    ];
    if (left.length === 0 || performance.now() > until) return left;
    await pause(100);
  }
}

async function rowsLeft(server: TestServer): Promise<string[]> {
  const left: string[] = [];
  for (const [name, query] of Object.entries(ROWS))
    for (const { what } of await sql<{ what: string }>(server, query)) left.push(`row of ${name}: ${what}`);
  return left;
}

/** Whatever runs in a sandbox has its home there; a bwrap knows its runner. */
function processesLeft(ids: readonly string[], runners: ReadonlySet<number>): string[] {
  const words = [...ids.map((id) => `/.sessions/${id}`), ...[...runners].map((pid) => `_SANDBOX_RUNNER=${pid}-`)];
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) =>
      words.some((word) => ifThere(() => readFileSync(`/proc/${pid}/environ`, 'latin1'), '').includes(word)),
    )
    .map((pid) => `process ${pid}: ${ifThere(() => readFileSync(`/proc/${pid}/cmdline`, 'latin1'), '')}`);
}

function foldersLeft(dataDir: string, ids: ReadonlySet<string>): string[] {
  const own = namesIn(join(dataDir, 'workspaces')).map((account) => join(dataDir, 'workspaces', account, '.sessions'));
  const isLeft = (name: string): boolean => ids.has(name);
  return [
    ...own.flatMap((folder) =>
      namesIn(folder)
        .filter(isLeft)
        .map((name) => join(folder, name)),
    ),
    ...own.flatMap((folder) => namesIn(join(folder, '.staging')).map((name) => join(folder, '.staging', name))),
    ...own.flatMap((folder) => namesIn(join(folder, '.uploads')).map((name) => join(folder, '.uploads', name))),
    ...namesIn(join(dataDir, 'executions')).filter(isLeft),
  ].map((path) => `folder ${path}`);
}

function groupsLeft(folder: string, ids: ReadonlySet<string>): string[] {
  const below = ifThere(() => readdirSync(folder, { withFileTypes: true }), []).filter((entry) => entry.isDirectory());
  return below.flatMap(({ name }) =>
    ids.has(name) ? [`group ${join(folder, name)}`] : groupsLeft(join(folder, name), ids),
  );
}

/** Files of the data folder that a process has open. */
function filesOpen(pid: number, dataDir: string): string[] {
  return targetsOf(pid)
    .filter(
      (target) => target.startsWith(join(dataDir, 'workspaces')) || target.startsWith(join(dataDir, 'executions')),
    )
    .map((target) => `open file ${target}`);
}

/** How many of what a process has open, sockets of the test's own clients aside. */
export function descriptorsOf(pid: number): number {
  return targetsOf(pid).filter((target) => pid !== process.pid || !target.startsWith('socket:')).length;
}

function targetsOf(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  return namesIn(folder).map((fd) => ifThere(() => readlinkSync(join(folder, fd)), ''));
}

const namesIn = (folder: string): string[] => (existsSync(folder) ? ifThere(() => readdirSync(folder), []) : []);

function ifThere<Result>(read: () => Result, otherwise: Result): Result {
  try {
    return read();
  } catch (error) {
    if (GONE.has((error as NodeJS.ErrnoException).code ?? '')) return otherwise;
    throw error;
  }
}
