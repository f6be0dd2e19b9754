import { accessSync, constants, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SandboxLimits } from '#sandboxes';
import { clearStale, countIn, ifOurs, PERIOD_US, quotaOf, SANDBOXES } from './group-folders.js';
import { type KernelGroup, KernelGroups } from './limit-groups.js';
import { ownName } from './runner-name.js';

const CONTROLLERS = ['memory', 'pids', 'cpu'] as const;
type Controller = (typeof CONTROLLERS)[number];
type Folders = Readonly<Record<Controller, string>>;

/**
 * Control groups of version 1, one hierarchy per controller, below the ones that this process is in itself. Null where
 * they are not there or not ours to make. Clears what servers that are gone have left behind.
 */
export function openCgroupV1(
  mounts = '/sys/fs/cgroup',
  ownGroups = readFileSync('/proc/self/cgroup', 'utf8'),
): Promise<KernelGroups | null> {
  const open = async (): Promise<KernelGroups | null> => {
    const folders = foldersOf(mounts, ownGroups);
    if (!folders) return null;
    for (const folder of Object.values(folders)) await clearStale(folder);
    const own = mapFolders(folders, (folder) => join(folder, ownName()));
    for (const folder of Object.values(own)) mkdirSync(folder, { recursive: true });
    const make = (sandboxId: string): KernelGroup => new GroupV1(mapFolders(own, (folder) => join(folder, sandboxId)));
    return new KernelGroups('cgroup-v1', Object.values(own), make);
  };
  return ifOurs(open, () => null);
}

class GroupV1 implements KernelGroup {
  readonly folders: readonly string[];
  readonly enteredBy: readonly string[];
  readonly joinedBy = [];

  constructor(private readonly of: Folders) {
    this.folders = Object.values(of);
    for (const folder of this.folders) mkdirSync(folder, { recursive: true });
    this.enteredBy = this.folders.map((folder) => join(folder, 'tasks'));
  }

  limit({ memoryBytes, processes, cpus }: SandboxLimits): void {
    const { memory, pids, cpu } = this.of;
    limitMemory(memory, memoryBytes);
    writeFileSync(join(pids, 'pids.max'), String(processes));
    writeFileSync(join(cpu, 'cpu.cfs_period_us'), String(PERIOD_US));
    writeFileSync(join(cpu, 'cpu.cfs_quota_us'), String(quotaOf(cpus)));
  }

  oomKills(): number {
    return countIn(join(this.of.memory, 'memory.oom_control'), 'oom_kill');
  }

  refusedForks(): number {
    return countIn(join(this.of.pids, 'pids.events'), 'max');
  }
}

/** The limit with swap may never be below the one without: which comes first depends on the direction. */
function limitMemory(folder: string, bytes: number): void {
  const files = ['memory.limit_in_bytes', 'memory.memsw.limit_in_bytes'].map((name) => join(folder, name));
  const there = files.filter((file) => existsSync(file));
  const before = Number(readFileSync(there[0]!, 'utf8'));
  for (const file of bytes > before ? there.toReversed() : there) writeFileSync(file, String(bytes));
}

function foldersOf(mounts: string, ownGroups: string): Folders | null {
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
    found[controller] = join(folder, SANDBOXES);
  }
  return found as Folders;
}

function mapFolders(folders: Folders, change: (folder: string) => string): Folders {
  return { memory: change(folders.memory), pids: change(folders.pids), cpu: change(folders.cpu) };
}
