import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { LimitGroup, LimitGroups } from './limit-groups.js';
import { signalAll } from './process-tree.js';
import type { SandboxLimits } from '#sandboxes';

const CONTROLLERS = ['memory', 'pids', 'cpu'] as const;
type Controller = (typeof CONTROLLERS)[number];

const PERIOD_US = 100_000;
const REMOVAL_TRIES = 200;

/** Control groups of version 1, one hierarchy per controller, below the ones that this process is in itself. */
export class CgroupV1Groups implements LimitGroups {
  readonly level = 'cgroup-v1';
  private readonly groups = new Map<string, CgroupV1Group>();

  private constructor(private readonly folders: Readonly<Record<Controller, string>>) {}

  /** Null where they are not there or not ours to make. Clears what servers that are gone have left behind. */
  static async open(mounts = '/sys/fs/cgroup', ownGroups = readFileSync('/proc/self/cgroup', 'utf8')) {
    try {
      const folders = foldersOf(mounts, ownGroups);
      if (!folders) return null;
      await clearStale(folders);
      const own = ownFolders(folders);
      for (const folder of Object.values(own)) mkdirSync(folder, { recursive: true });
      return new CgroupV1Groups(own);
    } catch (error) {
      if (['EACCES', 'EPERM', 'EROFS', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
      throw error;
    }
  }

  of(sandboxId: string, limits: SandboxLimits): LimitGroup {
    let group = this.groups.get(sandboxId);
    if (!group) {
      group = new CgroupV1Group(mapFolders(this.folders, (folder) => join(folder, sandboxId)));
      this.groups.set(sandboxId, group);
    }
    group.limit(limits);
    return group;
  }

  async remove(sandboxId: string): Promise<void> {
    const group = this.groups.get(sandboxId);
    this.groups.delete(sandboxId);
    await group?.remove();
  }

  async close(): Promise<void> {
    await Promise.all([...this.groups.keys()].map((sandboxId) => this.remove(sandboxId)));
    for (const folder of Object.values(this.folders)) await removeFolder(folder);
  }
}

class CgroupV1Group implements LimitGroup {
  readonly joinedBy: readonly string[];

  constructor(private readonly folders: Readonly<Record<Controller, string>>) {
    for (const folder of Object.values(folders)) mkdirSync(folder, { recursive: true });
    this.joinedBy = Object.values(folders).map((folder) => join(folder, 'cgroup.procs'));
  }

  limit({ memoryBytes, processes, cpus }: SandboxLimits): void {
    const { memory, pids, cpu } = this.folders;
    this.limitMemory(memory, memoryBytes);
    writeFileSync(join(pids, 'pids.max'), String(processes));
    writeFileSync(join(cpu, 'cpu.cfs_period_us'), String(PERIOD_US));
    writeFileSync(join(cpu, 'cpu.cfs_quota_us'), String(Math.max(1_000, Math.round(cpus * PERIOD_US))));
  }

  oomKills(): number {
    return countIn(join(this.folders.memory, 'memory.oom_control'), 'oom_kill');
  }

  refusedForks(): number {
    return countIn(join(this.folders.pids, 'pids.events'), 'max');
  }

  async remove(): Promise<void> {
    for (const folder of Object.values(this.folders)) await removeFolder(folder);
  }

  /** The limit with swap may never be below the one without: which comes first depends on the direction. */
  private limitMemory(folder: string, bytes: number): void {
    const files = ['memory.limit_in_bytes', 'memory.memsw.limit_in_bytes'].map((name) => join(folder, name));
    const there = files.filter((file) => existsSync(file));
    const before = Number(readFileSync(there[0]!, 'utf8'));
    for (const file of bytes > before ? there.toReversed() : there) writeFileSync(file, String(bytes));
  }
}

function foldersOf(mounts: string, ownGroups: string): Record<Controller, string> | null {
  const found: Partial<Record<Controller, string>> = {};
  for (const controller of CONTROLLERS) {
    const own = ownGroups.split('\n').find((line) => line.split(':')[1]?.split(',').includes(controller));
    if (own === undefined) return null;
    const path = own.split(':').slice(2).join(':');
    // In a container the hierarchy often begins at its own group, and the path is that of the machine.
    const folder = [join(mounts, controller, path), join(mounts, controller)].find((candidate) =>
      existsSync(candidate),
    );
    if (folder === undefined) return null;
    accessSync(folder, constants.W_OK);
    found[controller] = join(folder, 'roundhouse-sandboxes');
  }
  return found as Record<Controller, string>;
}

function mapFolders(
  folders: Readonly<Record<Controller, string>>,
  change: (folder: string) => string,
): Record<Controller, string> {
  return { memory: change(folders.memory), pids: change(folders.pids), cpu: change(folders.cpu) };
}

/** Each process has groups of its own: several servers may share a machine. */
function ownFolders(folders: Readonly<Record<Controller, string>>): Record<Controller, string> {
  return mapFolders(folders, (folder) => join(folder, `${process.pid}-${startOf(process.pid)}`));
}

async function clearStale(folders: Readonly<Record<Controller, string>>): Promise<void> {
  for (const folder of Object.values(folders)) {
    if (!existsSync(folder)) continue;
    for (const name of subfolders(folder)) {
      const [pid, start] = name.split('-');
      if (startOf(Number(pid)) !== start) await removeFolder(join(folder, name));
    }
  }
}

/** The moment a process started, so that a number which another one has now is not taken for it; null when it is gone. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  }
}

function subfolders(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
}

/** Kills what is in the group and the groups below it, and removes them; a group goes only when it is empty. */
async function removeFolder(folder: string): Promise<void> {
  for (let tries = 1; existsSync(folder); tries += 1) {
    try {
      for (const name of subfolders(folder)) await removeFolder(join(folder, name));
      signalAll(pidsIn(folder), 'SIGKILL');
      return rmdirSync(folder);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT') return;
      if (code !== 'EBUSY' || tries === REMOVAL_TRIES) throw error;
    }
    await pause(10);
  }
}

/** A number of a file of `name number` lines; 0 once the group is gone, and its commands with it. */
function countIn(file: string, name: string): number {
  const facts = existsSync(file) ? readFileSync(file, 'utf8') : '';
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(facts)?.[1] ?? 0);
}

function pidsIn(folder: string): number[] {
  return readFileSync(join(folder, 'cgroup.procs'), 'latin1').split('\n').filter(Boolean).map(Number);
}
