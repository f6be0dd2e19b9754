import { accessSync, constants, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { SandboxLimits } from '#sandboxes';
import { clearStale, countIn, ifOurs, PERIOD_US, pidsIn, quotaOf, removeGroup, SANDBOXES } from './group-folders.js';
import { type KernelGroup, KernelGroups } from './limit-groups.js';
import { ownName } from './runner-name.js';

const CONTROLLERS = ['memory', 'pids', 'cpu'];
/** Where the processes go that were in the group whose controllers are handed down. */
const LEAF = 'roundhouse-server';
const MOVES = 20;
/** Any will do: that they can be set is the question. */
const TRIAL: SandboxLimits = { memoryBytes: 2 ** 30, processes: 64, cpus: 1, scratchBytes: 0, diskBytes: 0 };

/**
 * Control groups of version 2, below the one this process is in, if that was delegated to it: its folder is writable
 * and has the controllers. Else says why not. Clears what servers that are gone have left behind.
 */
export function openCgroupV2(
  mounts = readFileSync('/proc/self/mounts', 'utf8'),
  ownGroups = readFileSync('/proc/self/cgroup', 'utf8'),
): Promise<KernelGroups | string> {
  const open = async (): Promise<KernelGroups | string> => {
    const base = ownGroup(mounts, ownGroups);
    if (base === null) return 'the group of the server is not to be seen';
    const own = await prepareGroups(base, CONTROLLERS);
    if (own === null) return `the group of the server lacks one of the controllers ${CONTROLLERS.join(', ')}`;
    // An old kernel, or a container that only looks like one, may lack a file: better known now than at a command.
    const trial = join(own, 'trial');
    new GroupV2(trial).limit(TRIAL);
    await removeGroup(trial);
    return new KernelGroups('cgroup-v2', [own], (sandboxId) => new GroupV2(join(own, sandboxId)));
  };
  return ifOurs(open, (code) => `the group of the server was not delegated to it (${code})`);
}

/** The folder of the group that this process is in, or was before it was moved to a leaf; null without version 2. */
export function ownGroup(mounts: string, ownGroups: string): string | null {
  const mount = /^\S+ (\S+) cgroup2 /m.exec(mounts)?.[1];
  const path = /^0::(\/.*)$/m.exec(ownGroups)?.[1];
  if (mount === undefined || path === undefined) return null;
  // In a container the hierarchy often begins at its own group, and the path is that of the machine.
  const group = [join(mount, path), mount].find(
    (folder) => existsSync(join(folder, 'cgroup.procs')) && pidsIn(folder).includes(process.pid),
  );
  if (group === undefined) return null;
  return basename(group) === LEAF ? dirname(group) : group;
}

/** A folder below `base` for the groups of this process, which have the controllers; null if `base` lacks one. */
export async function prepareGroups(base: string, controllers: readonly string[]): Promise<string | null> {
  if (!controllers.every((name) => wordsOf(base, 'cgroup.controllers').includes(name))) return null;
  for (const name of ['', 'cgroup.procs', 'cgroup.subtree_control']) accessSync(join(base, name), constants.W_OK);
  handDown(base, controllers);
  const all = join(base, SANDBOXES);
  mkdirSync(all, { recursive: true });
  await clearStale(all);
  handDown(all, controllers);
  const own = join(all, ownName());
  mkdirSync(own, { recursive: true });
  handDown(own, controllers);
  return own;
}

/**
 * Lets the groups below a group have the controllers. The kernel wants a group that hands them down to be without
 * processes, the first one of the machine excepted: they move to a leaf, which the groups of sandboxes are beside.
 */
function handDown(folder: string, controllers: readonly string[]): void {
  const file = join(folder, 'cgroup.subtree_control');
  const enabled = wordsOf(folder, 'cgroup.subtree_control');
  const wanted = controllers.filter((name) => !enabled.includes(name)).map((name) => `+${name}`);
  if (wanted.length === 0) return;
  for (let moves = 0; ; moves += 1) {
    try {
      return writeFileSync(file, wanted.join(' '));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EBUSY' || moves === MOVES) throw error;
    }
    moveAll(folder, join(folder, LEAF));
  }
}

/** What they start meanwhile may stay: to be called again. */
function moveAll(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  // 0 stands for those outside of this process's view, and would move this one.
  for (const pid of pidsIn(from).filter((one) => one !== 0)) {
    try {
      writeFileSync(join(to, 'cgroup.procs'), String(pid));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

function wordsOf(folder: string, name: string): string[] {
  return readFileSync(join(folder, name), 'utf8').split(/\s+/).filter(Boolean);
}

/** One group; its folder is made with it. */
export class GroupV2 implements KernelGroup {
  readonly folders: readonly string[];
  readonly enteredBy = [];
  readonly joinedBy: readonly string[];

  constructor(private readonly folder: string) {
    mkdirSync(folder, { recursive: true });
    this.folders = [folder];
    this.joinedBy = [join(folder, 'cgroup.procs')];
  }

  limit({ memoryBytes, processes, cpus }: SandboxLimits): void {
    this.set('memory.max', memoryBytes);
    // Not there where the kernel does not count swap.
    if (existsSync(join(this.folder, 'memory.swap.max'))) this.set('memory.swap.max', 0);
    // What is left of a sandbox without one of its processes is in no state to go on.
    this.set('memory.oom.group', 1);
    this.set('pids.max', processes);
    this.set('cpu.max', `${quotaOf(cpus)} ${PERIOD_US}`);
  }

  oomKills(): number {
    return countIn(join(this.folder, 'memory.events'), 'oom_kill');
  }

  refusedForks(): number {
    return countIn(join(this.folder, 'pids.events'), 'max');
  }

  /** Only files that the kernel has made. */
  private set(name: string, value: number | string): void {
    writeFileSync(join(this.folder, name), String(value), { flag: 'r+' });
  }
}
