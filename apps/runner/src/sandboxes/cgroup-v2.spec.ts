import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GroupV2, openCgroupV2, ownGroup, prepareGroups } from './cgroup-v2.js';
import { ifOurs, pidsIn, removeGroup, SANDBOXES } from './group-folders.js';
import { KernelGroups } from './limit-groups.js';

const read = (...path: string[]): string => readFileSync(join(...path), 'utf8').trim();

/** What has the kernel's files; what they do is for the machines that have them (limits.spec). */
describe('the files of a group of version 2', () => {
  let folder: string;
  const limits = { memoryBytes: 1e9, processes: 33, cpus: 1.5, scratchBytes: 1, diskBytes: 1 };
  const files = ['memory.max', 'memory.swap.max', 'memory.oom.group', 'pids.max', 'cpu.max'];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'roundhouse-group-'));
    for (const name of files) writeFileSync(join(folder, name), '');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('take the limits, memory without a way to swap and with one end for all', () => {
    new GroupV2(folder).limit(limits);
    expect(files.map((name) => read(folder, name))).toEqual(['1000000000', '0', '1', '33', '150000 100000']);
  });

  it('may lack swap, yet no other', () => {
    rmSync(join(folder, 'memory.swap.max'));
    new GroupV2(folder).limit(limits);
    expect(existsSync(join(folder, 'memory.swap.max'))).toBe(false);
    rmSync(join(folder, 'pids.max'));
    expect(() => new GroupV2(folder).limit(limits)).toThrow('ENOENT');
  });

  it('are set when limits have changed, and no command runs without', () => {
    const groups = new KernelGroups('cgroup-v2', [folder], () => new GroupV2(folder));
    groups.of('one', limits);
    writeFileSync(join(folder, 'pids.max'), 'untouched');
    groups.of('one', { ...limits });
    expect(read(folder, 'pids.max')).toBe('untouched');
    groups.of('one', { ...limits, memoryBytes: 2e9 });
    expect(read(folder, 'memory.max')).toBe('2000000000');
    rmSync(join(folder, 'cpu.max'));
    for (const id of ['one', 'other'])
      expect(() => groups.of(id, { ...limits, cpus: 1 })).toThrow('The limits of the sandbox could not be set');
  });

  it('are made anew after a removal, also for who started in the middle of it', async () => {
    let made = 0;
    const groups = new KernelGroups('cgroup-v2', [folder], () => {
      made += 1;
      return new GroupV2(folder);
    });
    groups.of('one', limits);
    const removed = groups.remove('one');
    groups.of('one', limits);
    await removed;
    groups.of('one', limits);
    expect(made).toBe(3);
  });

  it('get smaller with each fork bomb that was ended, for a minute', () => {
    let now = 0;
    const groups = new KernelGroups(
      'cgroup-v2',
      [folder],
      () => new GroupV2(folder),
      () => now,
    );
    const processesOf = (id: string): number => {
      writeFileSync(join(folder, 'pids.max'), '');
      // Other limits each time, so that all are set.
      groups.of(id, { ...limits, processes: 200, scratchBytes: (now += 1) }).noteStorm();
      return Number(read(folder, 'pids.max'));
    };
    expect([1, 2, 3, 4, 5].map(() => processesOf('bomber'))).toEqual([200, 100, 50, 25, 25]);
    expect(processesOf('other')).toBe(200);
    now += 60_000;
    expect(processesOf('bomber')).toBe(200);
  });

  it('tell what was ended for memory and which forks were refused', () => {
    const group = new GroupV2(folder);
    expect([group.oomKills(), group.refusedForks()]).toEqual([0, 0]);
    writeFileSync(join(folder, 'memory.events'), 'low 0\nhigh 0\nmax 812\noom 3\noom_kill 2\noom_group_kill 1\n');
    writeFileSync(join(folder, 'pids.events'), 'max 17\n');
    expect([group.oomKills(), group.refusedForks()]).toEqual([2, 17]);
  });
});

describe('the group of this process', () => {
  let mount: string;
  const lines = (): string => `proc /proc proc rw 0 0\ncgroup2 ${mount} cgroup2 rw,nosuid 0 0\n`;
  const groupWith = (path: string, ...pids: number[]): string => {
    const folder = join(mount, path);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'cgroup.procs'), pids.map((pid) => `${pid}\n`).join(''));
    return folder;
  };

  beforeEach(() => (mount = mkdtempSync(join(tmpdir(), 'roundhouse-groups-'))));
  afterEach(() => rmSync(mount, { recursive: true }));

  it('is found by its path, in a container by being in the first one that is to be seen', () => {
    const service = groupWith('system.slice/server.service', 1, process.pid);
    expect(ownGroup(lines(), '1:name=systemd:/x\n0::/system.slice/server.service\n')).toBe(service);
    groupWith('', process.pid);
    expect(ownGroup(lines(), '0::/docker/4ab2\n')).toBe(mount);
  });

  it('is the one it was in before it moved to a leaf', () => {
    groupWith('server.service/roundhouse-server', process.pid);
    expect(ownGroup(lines(), '0::/server.service/roundhouse-server\n')).toBe(join(mount, 'server.service'));
  });

  it('is none without version 2, or where it cannot be seen', () => {
    groupWith('a', 1);
    expect(ownGroup('proc /proc proc rw 0 0\n', '0::/a\n')).toBeNull();
    expect(ownGroup(lines(), '4:memory:/a\n')).toBeNull();
    expect(ownGroup(lines(), '0::/a\n')).toBeNull();
  });

  it.each([
    ['is not seen', '', 'the group of the server is not to be seen'],
    ['lacks controllers', 'cpu pids', 'the group of the server lacks one of the controllers memory, pids, cpu'],
    ['may not be written', 'cpu memory pids', 'the group of the server was not delegated to it (ENOENT)'],
  ])('that %s is refused, and why is told', async (_name, controllers, why) => {
    const group = groupWith('', ...(controllers === '' ? [] : [process.pid]));
    writeFileSync(join(group, 'cgroup.controllers'), controllers);
    expect(await openCgroupV2(lines(), '0::/\n')).toBe(why);
  });
});

/** Any controller shows how the kernel hands them down; the ones for limits may be in use by version 1. */
const { mount, controller } = whatCanBeHandedDown();
const onAbleMachines = controller === undefined ? describe.skip : describe;

onAbleMachines('a delegated hierarchy of the kernel', () => {
  const base = join(mount, `roundhouse-test-${process.pid}`);
  const children: ChildProcess[] = [];
  const prepare = (): Promise<string | null> => prepareGroups(base, [controller!]);

  /** One more process, in the group by the time it is answered. */
  async function sleeperIn(group: string): Promise<number> {
    const script = 'echo $$ > "$1/cgroup.procs" && echo in && exec sleep 600';
    const child = spawn('/bin/sh', ['-c', script, 'sh', group], { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    await once(child.stdout, 'data');
    return child.pid!;
  }

  beforeEach(() => mkdirSync(base));
  afterEach(async () => {
    await removeGroup(base);
    for (const child of children.splice(0)) await ended(child);
  });

  it('gives controllers to groups beside the processes that were there, once and for all', async () => {
    const pids = [await sleeperIn(base), await sleeperIn(base)];
    const own = (await prepare())!;
    expect(pidsIn(base)).toEqual([]);
    expect(pidsIn(join(base, 'roundhouse-server')).sort()).toEqual(pids.sort());
    mkdirSync(join(own, 'sandbox'));
    expect(read(own, 'sandbox', 'cgroup.controllers')).toBe(controller);
    expect(await prepare()).toBe(own);
    expect(existsSync(join(own, 'sandbox'))).toBe(true);
  });

  it('is left as it is when a controller is missing', async () => {
    const pid = await sleeperIn(base);
    expect(await prepareGroups(base, [controller!, 'no-such'])).toBeNull();
    expect(pidsIn(base)).toEqual([pid]);
  });

  it('is not ours where the kernel divides its threads between groups', async () => {
    await sleeperIn(base);
    const threads = join(base, 'threads');
    mkdirSync(threads);
    writeFileSync(join(threads, 'cgroup.type'), 'threaded');
    expect(await ifOurs<string | null>(prepare, (code) => code)).toBe('ENOTSUP');
    rmdirSync(threads);
  });

  it('is cleared of what servers that are gone have left, with all that runs in it', async () => {
    const stale = join(base, SANDBOXES, '4194304-1');
    mkdirSync(join(stale, 'sess_old'), { recursive: true });
    await sleeperIn(join(stale, 'sess_old'));
    const own = await prepare();
    expect([existsSync(stale), existsSync(own!)]).toEqual([false, true]);
    await ended(children[0]!);
    expect(children[0]!.signalCode).toBe('SIGKILL');
  });

  it('ends a sandbox as a whole, and no other', async () => {
    const own = (await prepare())!;
    const groups = new KernelGroups('cgroup-v2', [own], (id) => {
      const folder = join(own, id);
      mkdirSync(folder);
      return {
        folders: [folder],
        enteredBy: [],
        joinedBy: [],
        oomKills: () => 0,
        refusedForks: () => 0,
        limit: () => undefined,
      };
    });
    const limits = { memoryBytes: 1, processes: 1, cpus: 1, scratchBytes: 1, diskBytes: 1 };
    for (const id of ['one', 'other']) groups.of(id, limits);
    for (let n = 0; n < 8; n += 1) await sleeperIn(join(own, 'one'));
    await sleeperIn(join(own, 'other'));
    await groups.remove('one');
    await groups.remove('one');
    expect(existsSync(join(own, 'one'))).toBe(false);
    expect(pidsIn(join(own, 'other'))).toHaveLength(1);
    await groups.close();
    expect(existsSync(own)).toBe(false);
  });
});

async function ended(child: ChildProcess): Promise<void> {
  if (child.signalCode === null) await once(child, 'exit');
}

/** Not those that the kernel divides between threads too: it lets a group with processes hand them down. */
function controllersOf(folder: string): string[] {
  const threaded = ['cpuset', 'cpu', 'pids', 'perf_event'];
  return read(folder, 'cgroup.controllers')
    .split(' ')
    .filter((name) => name !== '' && !threaded.includes(name));
}

/** Where and with what it can be tried; nothing where this process may not. */
function whatCanBeHandedDown(): { mount: string; controller?: string } {
  const mount = /^\S+ (\S+) cgroup2 /m.exec(readFileSync('/proc/self/mounts', 'utf8'))?.[1];
  if (mount === undefined) return { mount: '' };
  const trial = join(mount, `roundhouse-trial-${process.pid}`);
  try {
    const [first] = controllersOf(mount);
    if (first !== undefined) writeFileSync(join(mount, 'cgroup.subtree_control'), `+${first}`);
    mkdirSync(trial);
    const [controller] = controllersOf(trial);
    rmdirSync(trial);
    return controller === undefined ? { mount } : { mount, controller };
  } catch (error) {
    console.warn(`Groups of version 2 are not tested: ${String(error)}`);
    return { mount };
  }
}
