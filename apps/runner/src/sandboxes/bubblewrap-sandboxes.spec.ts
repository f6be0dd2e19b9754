import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { OutputChunk, PlacedSandbox } from '#sandboxes';
import type { BubblewrapExecution } from './bubblewrap-execution.js';
import { BubblewrapSandboxes } from './bubblewrap-sandboxes.js';
import { whatBubblewrapLacks } from './bubblewrap-support.js';
import { commandOf, newWorkspace, placed, type Ran, run, textsOf } from './testing/placed.js';

/** How often each instant of a start is tried. */
const TRIES = 5;
const SEARCH_PATH = process.env['PATH'] ?? '/usr/bin:/bin';
const lack = await whatBubblewrapLacks(SEARCH_PATH);
if (lack !== null) console.warn(`Sandboxes are not tested: ${lack}`);
/** Where the machine cannot, there is nothing to test; the warning says so. */
const onAbleMachines = lack === null ? describe : describe.skip;

let sandboxes: BubblewrapSandboxes;
let workspace: string;

beforeAll(async () => {
  if (lack !== null) return;
  sandboxes = await BubblewrapSandboxes.open(SEARCH_PATH);
  workspace = newWorkspace();
  for (const folder of ['projects/p1/out', 'projects/p10', 'shared/t', '.sessions/sess_y'])
    mkdirSync(join(workspace, folder), { recursive: true });
  for (const file of ['projects/p1/a.md', 'projects/p10/a.md', 'shared/t/x', '.sessions/sess_y/n', 'secret'])
    writeFileSync(join(workspace, file), file);
  symlinkSync('../../secret', join(workspace, 'projects/p1/relative'));
  symlinkSync(join(workspace, 'secret'), join(workspace, 'projects/p1/absolute'));
  symlinkSync('a.md', join(workspace, 'projects/p1/within'));
});

afterAll(async () => {
  if (lack !== null) return;
  await sandboxes.close();
  rmSync(workspace, { recursive: true });
});

const shell = (id: string, access: unknown, script: string): Promise<Ran> =>
  run(sandboxes, placed(workspace, id, access), ['sh', '-c', script], { cwd: '/opt/sandbox/workspace' });

onAbleMachines('the decision table of §B5.2, from inside', () => {
  const access = { read: ['projects/p1', 'shared/t'], write: ['projects/p1/out'] };

  it.each<[string, string, RegExp]>([
    ['reads what it may read', 'cat projects/p1/a.md', /^projects\/p1\/a\.md$/],
    ['does not write there', 'echo x > projects/p1/a.md', /Read-only file system/],
    ['writes where it may', 'echo new > projects/p1/out/r.md && cat projects/p1/out/r.md', /^new\n$/],
    ['does not see a look-alike', 'cat projects/p10/a.md', /No such file or directory/],
    ['does not write beside its scope', 'mkdir projects/p10', /Read-only file system/],
    ['reads a second entry', 'cat shared/t/x', /^shared\/t\/x$/],
    ['writes its own directory', 'echo own > .sessions/sess_x/n && cat .sessions/sess_x/n', /^own\n$/],
    ['does not see another one', 'cat .sessions/sess_y/n', /No such file or directory/],
    ['lists its own directory alone', 'ls .sessions', /^sess_x\n$/],
    ['lists the way to its scope alone', 'ls projects; ls -A', /^p1\n\.sessions\nprojects\nshared\n$/],
    [
      'loses nothing it writes to parents: it cannot',
      'echo x > x; echo x > /x; echo x > /opt/x; ls -A',
      /^\.sessions\nprojects\nshared\n/,
    ],
    ['does not climb out', 'cat projects/p1/../../secret', /No such file or directory/],
    ['follows links within', 'cat projects/p1/within', /^projects\/p1\/a\.md$/],
    ['does not follow links out', 'cat projects/p1/relative', /No such file or directory/],
    ['does not follow absolute links out', 'cat projects/p1/absolute', /No such file or directory/],
  ])('%s', async (_name, script, expected) => {
    const { stdout, stderr } = await shell('sess_x', access, script);
    expect(stdout + stderr).toMatch(expected);
  });

  it.each([
    [undefined, /Directory nonexistent|No such file|cannot create/],
    [{ read: [''], write: ['out'] }, /Read-only|Directory nonexistent|No such file|cannot create/],
  ])('with the whole workspace (%j) the directories of others stay hidden', async (wide, refusal) => {
    const { stdout, stderr } = await shell('sess_z', wide, 'ls .sessions; cat secret; echo x > .sessions/sess_y/n');
    expect(stdout).toBe('sess_z\nsecret');
    expect(stderr).toMatch(refusal);
    expect(readFileSync(join(workspace, '.sessions/sess_y/n'), 'utf8')).toBe('.sessions/sess_y/n');
  });

  it('makes entries that are missing, and refuses to start where one has become a link', async () => {
    const { exit } = await shell('sess_x', { read: ['later/r'], write: ['later/w'] }, 'echo x > later/w/x; ls later/r');
    expect(exit).toMatchObject({ code: 0 });
    symlinkSync('/etc', join(workspace, 'swapped'));
    for (const entry of ['swapped', 'swapped/ssl'])
      await expect(shell('sess_x', { read: [entry] }, 'ls')).rejects.toMatchObject({ reason: 'scope_changed' });
  });

  it('gives files second names only where no other sandbox sees them', async () => {
    const script = (own: string) => `cd ${own}; echo x > f; ln f g; perl -e 'link("f", "h") or print "$!\\n"'; ls`;
    const alone = await shell('sess_l', { read: [''], write: [] }, script('.sessions/sess_l'));
    expect(alone).toMatchObject({ stdout: 'f\ng\nh\n', stderr: '' });
    const shared = await shell('sess_m', { write: ['projects'] }, `${script('projects')}; ln ../secret s`);
    expect(shared.stdout).toMatch(/^Invalid cross-device link\nf\n(?!g)/);
  });

  it('takes a file for an entry', async () => {
    const { stdout } = await shell('sess_x', { read: ['secret'], write: [] }, 'cat secret; ls -A');
    expect(stdout).toBe('secret.sessions\nsecret\n');
  });
});

const sandbox = (): PlacedSandbox => placed(workspace, 'sess_c', { read: [], write: [] });

onAbleMachines('a command', () => {
  it('ends with its code, or with the signal that ended it', async () => {
    expect((await run(sandboxes, sandbox(), ['sh', '-c', 'exit 7'])).exit).toMatchObject({ code: 7, signal: null });
    const killed = (await run(sandboxes, sandbox(), ['sh', '-c', 'kill -KILL $$'])).exit;
    expect(killed).toMatchObject({ code: 137, signal: 'SIGKILL', cancelled: false, timedOut: false, oomKilled: false });
  });

  it('is given its arguments as they are, its input, and of variables only its own', async () => {
    const execution = sandboxes.exec(
      sandbox(),
      commandOf(['sh', '-c', 'cat; printf "%s|" "$@"; env | sort; pwd', 'sh', 'a b', '$(id)', ''], {
        env: { MINE: 'a=b' },
      }),
    );
    await execution.write(Buffer.from('typed '));
    await execution.write(null);
    const { stdout } = await textsOf(execution.output);
    const own = '/opt/sandbox/workspace/.sessions/sess_c';
    expect(stdout).toContain(`typed a b|$(id)||`);
    expect(
      stdout
        .replace(/^.*\|/, '')
        .split('\n')
        .filter((line) => !/^(_|SHLVL|OLDPWD)=/.test(line)),
    ).toEqual([`HOME=${own}`, 'LANG=C.UTF-8', 'MINE=a=b', expect.stringMatching(/^PATH=/), `PWD=${own}`, own, '']);
  });

  it.each([
    [{ argv: ['echo', 'x\0--bind\0/\0/host'] }],
    [{ argv: ['env'], env: { A: 'x\0--bind\0/\0/host' } }],
    [{ argv: ['env'], env: { 'A=B': 'x' } }],
    [{ argv: [] }],
  ])('that carries options for bwrap is refused: %j', (command) => {
    expect(() => sandboxes.exec(sandbox(), { ...commandOf(command.argv), ...command })).toThrow(
      expect.objectContaining({ code: 'invalid_input' }),
    );
  });
});

onAbleMachines('the network of a command', () => {
  it('is its own loopback, which it knows by name', async () => {
    const { stdout } = await shell(
      'sess_hosts',
      {},
      'getent ahosts localhost | cut -d " " -f 1 | sort -u; getent hosts sandbox',
    );
    expect(stdout).toMatch(/^127\.0\.0\.1\n(?:::1\n)?127\.0\.0\.1 +localhost sandbox\n$/);
  });
});

onAbleMachines('what a command says', () => {
  it('says which stream said what, in numbered chunks without gaps', async () => {
    const execution = sandboxes.exec(
      sandbox(),
      commandOf(['sh', '-c', 'for n in 1 2 3; do echo o$n; echo e$n >&2; done']),
    );
    const chunks: OutputChunk[] = [];
    for await (const chunk of execution.output) chunks.push(chunk);
    expect(chunks.map(({ seq }) => seq)).toEqual(chunks.map((_, index) => index + 1));
    const of = (wanted: string): string =>
      chunks
        .filter(({ stream }) => stream === wanted)
        .map(({ data }) => data.toString())
        .join('');
    expect([of('stdout'), of('stderr')]).toEqual(['o1\no2\no3\n', 'e1\ne2\ne3\n']);
  });

  it('is not held up by output beyond its bound, which is dropped and said to be', async () => {
    const { stdout, exit } = await run(sandboxes, sandbox(), ['sh', '-c', 'head -c 3000000 /dev/zero; exit 3'], {
      outputBytes: 1_000_000,
    });
    expect(stdout).toHaveLength(1_000_000);
    expect(exit).toMatchObject({ code: 3, truncated: true });
    expect((await run(sandboxes, sandbox(), ['echo', 'x'], { outputBytes: 2 })).exit).toMatchObject({
      truncated: false,
    });
  });

  it('waits for a reader instead of filling memory', async () => {
    const execution = sandboxes.exec(
      sandbox(),
      commandOf(['sh', '-c', 'head -c 8000000 /dev/zero; echo done >&2'], { outputBytes: 1e9 }),
    );
    const first = await execution.output[Symbol.asyncIterator]().next();
    expect(first.value).toMatchObject({ seq: 1, stream: 'stdout' });
    const rest = await textsOf(execution.output);
    expect(rest.stdout.length + (first.value as { data: Buffer }).data.length).toBe(8_000_000);
    expect(rest.stderr).toBe('done\n');
  });
});

onAbleMachines('the end of a command', () => {
  it('has its time, a warning and then no more', async () => {
    const patient = await run(sandboxes, sandbox(), ['sh', '-c', 'trap "echo bye; exit 4" TERM; sleep 60 & wait'], {
      timeoutMs: 300,
    });
    expect(patient).toMatchObject({ stdout: 'bye\n', exit: { code: 4, timedOut: true, cancelled: false } });
    const stubborn = await run(sandboxes, sandbox(), ['sh', '-c', 'trap "" TERM; while :; do sleep 60; done'], {
      timeoutMs: 300,
    });
    expect(stubborn.exit).toMatchObject({ code: 137, timedOut: true });
  });

  it('is cancelled once, however often that is asked', async () => {
    const execution = sandboxes.exec(sandbox(), commandOf(['sleep', '60']));
    setTimeout(() => [1, 2].forEach(() => execution.cancel()), 100);
    expect((await execution.exit).cancelled).toBe(true);
    execution.cancel();
    execution.signal('SIGTERM');
  });

  it('that does not exist ends with the reason on its error stream', async () => {
    const { exit, stderr } = await run(sandboxes, sandbox(), ['no-such-program']);
    expect(exit.code).toBe(127);
    expect(stderr).toContain('no-such-program');
  });

  it('comes when nobody can look at it any more, and to no other', async () => {
    const lost = newWorkspace();
    const script = 'exec 3> kept; echo ready; while :; do head -c 1000000 /dev/zero >&3; sleep 0.05; done';
    const options = { cwd: '/opt/sandbox/workspace' };
    const execution = sandboxes.exec(placed(lost, 'sess_lost'), commandOf(['sh', '-c', script], options));
    for await (const { data } of execution.output) if (data.toString() === 'ready\n') rmSync(lost, { recursive: true });
    await expect(execution.exit).rejects.toMatchObject({ message: 'The limits of the sandbox could not be kept' });
    expect((await shell('sess_x', undefined, 'echo on')).stdout).toBe('on\n');
  });
});

onAbleMachines('a command that is held', () => {
  const mark = (name: string): string => join(workspace, 'shared', name);
  const hold = (name: string): BubblewrapExecution => {
    const command = commandOf(['touch', `/opt/sandbox/workspace/shared/${name}`]);
    return sandboxes.exec(placed(workspace, 'sess_x', undefined), { ...command, isHeld: true });
  };

  it('begins when it is told to, in a sandbox that was made before', async () => {
    const execution = hold('begun');
    await pause(200);
    expect(existsSync(mark('begun'))).toBe(false);
    execution.begin();
    expect(await execution.exit).toMatchObject({ code: 0, cancelled: false });
    expect(existsSync(mark('begun'))).toBe(true);
  });

  // Every instant of a start is hit: in one of them bwrap has a child that waits for it.
  it.each([0, 1, 2, 3, 4, 5, 6, 8, 200])('never begins once it was cancelled, %d ms after its start', async (ms) => {
    for (let tried = 0; tried < TRIES; tried += 1) {
      const execution = hold('cancelled');
      await pause(ms);
      execution.cancel();
      execution.begin();
      expect(await execution.exit).toMatchObject({ cancelled: true });
    }
    expect(existsSync(mark('cancelled'))).toBe(false);
  });

  it('is ended at the next start when its runner was killed in the middle of one', async () => {
    const left = spawn('sleep', ['60'], { env: { ...process.env, ROUNDHOUSE_SANDBOX_RUNNER: '4194304-1' } });
    const living = hold('living');
    const ended = once(left, 'exit');
    await pause(100);
    await (await BubblewrapSandboxes.open(SEARCH_PATH, 'supervised')).close();
    expect(await ended).toEqual([null, 'SIGKILL']);
    living.begin();
    expect(await living.exit).toMatchObject({ code: 0 });
  });
});

onAbleMachines('a start that fails', () => {
  it('says so, and leaves nothing open', async () => {
    const before = readdirSync('/proc/self/fd').length;
    await expect(run(sandboxes, sandbox(), ['true'], { cwd: '/no/such/folder' })).rejects.toMatchObject({
      field: 'cwd',
    });
    const { exit } = await run(sandboxes, sandbox(), ['/etc/passwd']);
    expect(exit.code).toBe(126);
    const nowhere = await BubblewrapSandboxes.open(SEARCH_PATH, 'supervised');
    Object.assign(nowhere, { searchPath: '/nowhere' });
    await expect(run(nowhere, sandbox(), ['true'])).rejects.toMatchObject({
      code: 'unavailable',
      reason: 'sandbox_failed',
    });
    await nowhere.close();
    await expect(run(sandboxes, { ...sandbox(), workspace: '/no/such/workspace' }, ['true'])).rejects.toThrow();
    expect(readdirSync('/proc/self/fd').length).toBeLessThanOrEqual(before);
  });
});
