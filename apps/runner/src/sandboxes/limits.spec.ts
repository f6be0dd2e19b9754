import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { compiledEntry } from '#kernel';
import type { LimitLevel } from '#sandboxes';
import { BubblewrapSandboxes } from './bubblewrap-sandboxes.js';
import { whatBubblewrapLacks } from './bubblewrap-support.js';
import { ownGroup } from './cgroup-v2.js';
import { SANDBOXES } from './group-folders.js';
import { openLimitGroups } from './limit-ladder.js';
import { commandOf, LIMITS, newWorkspace, placed, run, textsOf } from './testing/placed.js';

const SEARCH_PATH = process.env['PATH'] ?? '/usr/bin:/bin';
const MEBIBYTE = 1_048_576;
const GROUPS = '/sys/fs/cgroup';

/** Levels that this machine offers; each is tested. */
const levels: LimitLevel[] = [];
if ((await whatBubblewrapLacks(SEARCH_PATH)) === null)
  for (const level of ['cgroup-v2', 'cgroup-v1', 'supervised'] as const) {
    const groups = await openLimitGroups(level).catch(() => null);
    await groups?.close();
    if (groups) levels.push(level);
  }

/** A suite needs one. */
const tested = levels.length > 0 ? levels : ['none' as LimitLevel];

/** Sandboxes of one level over a workspace, for as long as the tests run that are defined beside it. */
function kept(level: LimitLevel): { readonly sandboxes: BubblewrapSandboxes; readonly workspace: string } {
  const on = {} as { sandboxes: BubblewrapSandboxes; workspace: string };

  beforeAll(async () => {
    if (!levels.includes(level)) return;
    on.sandboxes = await BubblewrapSandboxes.open(SEARCH_PATH, level);
    on.workspace = newWorkspace();
  });

  afterAll(async () => {
    if (!levels.includes(level)) return;
    await on.sandboxes.close();
    rmSync(on.workspace, { recursive: true });
  });

  return on;
}

describe.each(tested)('limits on level %s', (level) => {
  const test = levels.includes(level) ? it : it.skip;
  const on = kept(level);

  test('a memory bomb is ended and named, and another sandbox does not notice', async () => {
    const limits = { ...LIMITS, memoryBytes: 64 * MEBIBYTE };
    const other = on.sandboxes.exec(
      placed(on.workspace, 'sess_other'),
      commandOf(['sh', '-c', 'read line; echo "still here $line"']),
    );
    const script = 'x=$(head -c 4000000 /dev/zero | tr "\\0" x); while :; do x=$x$x; done';
    const bomb = await run(on.sandboxes, placed(on.workspace, 'sess_bomb', undefined, limits), ['sh', '-c', script]);
    expect(bomb.exit).toMatchObject({ oomKilled: true, timedOut: false, cancelled: false });
    expect(bomb.exit.code).not.toBe(0);
    await other.write(Buffer.from('ok\n'));
    expect((await textsOf(other.output)).stdout).toBe('still here ok\n');
    expect(await other.exit).toMatchObject({ code: 0, oomKilled: false });
  });

  test('more processes than allowed are none', async () => {
    const limits = { ...LIMITS, processes: 32 };
    const script = 'n=0; while [ $n -lt 100 ]; do sleep 5 & n=$((n + 1)); done; wait';
    const many = await run(on.sandboxes, placed(on.workspace, 'sess_many', undefined, limits), ['sh', '-c', script]);
    if (level === 'supervised') expect(many.exit).toMatchObject({ tooManyProcesses: true, code: 137 });
    else expect(many).toMatchObject({ stderr: expect.stringMatching(/fork/), exit: { tooManyProcesses: false } });
    expect((await run(on.sandboxes, placed(on.workspace, 'sess_many'), ['echo', 'fine'])).stdout).toBe('fine\n');
  });

  // Root, whom tests may run as, is held to no number of processes but by a group: there the bomb would hit the machine.
  const bombTest = level !== 'supervised' || process.geteuid!() !== 0 ? test : it.skip;

  bombTest('a fork bomb is ended and named, and what runs beside it in the sandbox is not', async () => {
    const sandbox = placed(on.workspace, 'sess_forks');
    const other = on.sandboxes.exec(sandbox, commandOf(['sh', '-c', '> up; read line; echo "$line"']));
    // It has the processes it needs before the bomb takes the others.
    await until(() => existsSync(join(on.workspace, '.sessions', sandbox.id, 'up')));
    const bomb = await run(on.sandboxes, sandbox, ['perl', '-e', 'while (1) { fork }'], { timeoutMs: 120_000 });
    expect(bomb.exit).toMatchObject({ tooManyProcesses: true, timedOut: false, code: 137 });
    await other.write(Buffer.from('still here\n'));
    expect((await textsOf(other.output)).stdout).toBe('still here\n');
    expect(await other.exit).toMatchObject({ code: 0, tooManyProcesses: false });
  });

  test('a program counts the processors of its sandbox, not those of the machine', async () => {
    const count = async (id: string, cpus: number): Promise<number> =>
      Number((await run(on.sandboxes, placed(on.workspace, id, undefined, { ...LIMITS, cpus }), ['nproc'])).stdout);
    expect(await count('sess_one', 1)).toBe(1);
    expect(await count('sess_half', 0.5)).toBe(1);
    expect(await count('sess_many_cpus', 1_000)).toBe(availableParallelism());
  });

  test('a stop leaves nothing running, nor does a command that leaves others behind', async () => {
    const sandbox = placed(on.workspace, 'sess_stop');
    const marker = `${process.pid}.${Date.now() % 1e6}`;
    const hidden = await run(on.sandboxes, sandbox, [
      'sh',
      '-c',
      `setsid sleep 60${marker} >/dev/null 2>&1 & echo left`,
    ]);
    expect(hidden.stdout).toBe('left\n');
    expect(running(`60${marker}`)).toEqual([]);

    const endless = on.sandboxes.exec(sandbox, commandOf(['sh', '-c', `setsid sleep 61${marker} & trap "" TERM; yes`]));
    await until(() => running(`61${marker}`).length > 0);
    // Nobody reads what it says: it must go all the same.
    await on.sandboxes.stop(sandbox.id);
    expect(running(`61${marker}`)).toEqual([]);
    await textsOf(endless.output);
    expect(await endless.exit).toMatchObject({ cancelled: true });
    await on.sandboxes.stop(sandbox.id);
    expect((await run(on.sandboxes, sandbox, ['echo', 'again'])).stdout).toBe('again\n');
  });
});

describe.each(tested)('room on level %s', (level) => {
  const test = levels.includes(level) ? it : it.skip;
  const on = kept(level);

  test('folders in memory are bounded', async () => {
    const fill =
      'head -c 40000000 /dev/zero > /tmp/x; head -c 40000000 /dev/zero > /dev/shm/x; wc -c /tmp/x /dev/shm/x';
    const { stdout, stderr } = await run(on.sandboxes, placed(on.workspace, 'sess_scratch'), ['sh', '-c', fill]);
    expect(stderr).toMatch(/(No space left on device[^]*){2}/);
    expect(Number(/(\d+) total/.exec(stdout)?.[1])).toBeLessThanOrEqual(2 * LIMITS.scratchBytes);
  });

  test('who fills the disk is ended and named; who deletes makes room', async () => {
    const sandbox = placed(on.workspace, 'sess_disk');
    const fill = ['sh', '-c', 'while :; do head -c 4000000 /dev/urandom > f$n; n=$((n + 1)); done'];
    const bomb = await run(on.sandboxes, sandbox, fill, { timeoutMs: 120_000 });
    expect(bomb.exit).toMatchObject({ diskFull: true, timedOut: false, code: 137 });
    const listed = await run(on.sandboxes, sandbox, ['sh', '-c', 'rm f*; sleep 2; echo x > small; sleep 1; ls']);
    expect(listed).toMatchObject({ stdout: 'small\n', exit: { diskFull: false, code: 0 } });
  });

  test('no room is taken that is not written', async () => {
    const take = 'fallocate -l 1M room; fallocate -x -l 1M room && wc -c < room';
    const taken = await run(on.sandboxes, placed(on.workspace, 'sess_room'), ['sh', '-c', take]);
    expect(taken).toMatchObject({ stderr: expect.stringContaining('not supported') as string, stdout: '1048576\n' });
  });
});

const onAbleMachines = levels.length > 0 ? describe : describe.skip;

onAbleMachines('a server that is killed', () => {
  it('takes its sandboxes along', async () => {
    const workspace = newWorkspace();
    const word = `62${process.pid}.${Date.now() % 1e6}`;
    const program = `
      import { BubblewrapSandboxes } from ${JSON.stringify(compiledEntry('apps/runner/src/sandboxes/bubblewrap-sandboxes.js'))};
      const sandboxes = await BubblewrapSandboxes.open(process.env.PATH);
      const command = { argv: ['sh', '-c', 'setsid sleep ${word} & sleep ${word}'], env: {}, timeoutMs: 60000, outputBytes: 1 };
      sandboxes.exec(${JSON.stringify(placed(workspace, 'sess_k'))}, command);`;
    const server = spawn(process.execPath, ['--input-type=module', '-e', program], {
      env: { PATH: SEARCH_PATH },
      stdio: 'inherit',
    });
    const ended = once(server, 'exit');
    await until(() => running(word).length === 2 || server.exitCode !== null);
    server.kill('SIGKILL');
    expect(await ended).toEqual([null, 'SIGKILL']);
    await until(() => running(word).length === 0);
    rmSync(workspace, { recursive: true });
  });
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await setTimeout(10);
}

const kernelLevels = levels.filter((level) => level !== 'supervised');
const onKernelLevels = kernelLevels.length > 0 ? describe : describe.skip;

onKernelLevels.each(kernelLevels)('control groups on level %s', (level) => {
  const folder = (): string => join(groupOfThisProcess(level), SANDBOXES);

  it('hold the limits of a sandbox over all its commands, follow a change of them and go with it', async () => {
    const workspace = newWorkspace();
    const sandboxes = await BubblewrapSandboxes.open(SEARCH_PATH, level);
    await run(sandboxes, placed(workspace, 'sess_g', undefined, { ...LIMITS, processes: 20 }), ['true']);
    const mine = readdirSync(folder()).find((name) => existsSync(join(folder(), name, 'sess_g')))!;
    const pidsMax = (): string => readFileSync(join(folder(), mine, 'sess_g/pids.max'), 'utf8');
    expect(pidsMax()).toBe('20\n');
    await run(
      sandboxes,
      placed(workspace, 'sess_g', undefined, { ...LIMITS, processes: 30, memoryBytes: 512 * MEBIBYTE }),
      ['true'],
    );
    expect(pidsMax()).toBe('30\n');
    await sandboxes.stop('sess_g');
    expect(existsSync(join(folder(), mine, 'sess_g'))).toBe(false);
    await sandboxes.close();
    expect(existsSync(join(folder(), mine))).toBe(false);
    rmSync(workspace, { recursive: true });
  });

  it('hold a fork bomb down', async () => {
    const workspace = newWorkspace();
    const sandboxes = await BubblewrapSandboxes.open(SEARCH_PATH, level);
    const bomb = placed(workspace, 'sess_fork', undefined, { ...LIMITS, processes: 32 });
    const { stderr } = await run(sandboxes, bomb, ['sh', '-c', 'f() { f | f & f; }; f; wait'], { timeoutMs: 500 });
    expect(stderr).toMatch(/fork/);
    await sandboxes.close();
    rmSync(workspace, { recursive: true });
  });

  it('of a server that is gone are cleared at the next start', async () => {
    const first = await openLimitGroups(level);
    const stale = join(folder(), '4194304-1');
    mkdirSync(join(stale, 'sess_old'), { recursive: true });
    const second = await openLimitGroups(level);
    expect(existsSync(stale)).toBe(false);
    await first.close();
    await second.close();
  });
});

/** With version 1 the one that counts processes. */
function groupOfThisProcess(level: LimitLevel): string {
  const groups = readFileSync('/proc/self/cgroup', 'utf8');
  if (level === 'cgroup-v2') return ownGroup(readFileSync('/proc/self/mounts', 'utf8'), groups)!;
  const line = groups.split('\n').find((group) => group.split(':')[1] === 'pids');
  return [join(GROUPS, 'pids', line?.split(':')[2] ?? '/'), join(GROUPS, 'pids')].find((path) => existsSync(path))!;
}

/** Processes of this machine with `word` in their command line. */
function running(word: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1')
          .split('\0')
          .some((text) => text === word);
      } catch (error) {
        if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
        throw error;
      }
    });
}
