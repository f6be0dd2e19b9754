import { execFileSync } from 'node:child_process';
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { geteuid } from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { AccessScope } from '../scope/access-scope.js';
import { toFileAccess } from '../scope/file-access.js';
import { RunnerSandboxes } from './runner-sandboxes.js';
import type { Execution, SandboxCommand, SandboxPlace } from './sandbox-provider.js';

const MEBIBYTE = 1_048_576;
const UID = 60_800;
const isRoot = geteuid!() === 0;

/** In a folder that nobody else may enter, as a data folder of root's is. */
const folder = mkdtempSync(join(tmpdir(), 'roundhouse-workspaces-'));
const workspace = join(folder, 'workspaces/account');
mkdirSync(workspace, { recursive: true });
writeFileSync(join(folder, 'secret.key'), 'key');
if (isRoot) chownSync(workspace, UID, UID);

const sandboxes = new RunnerSandboxes({ workspaces: join(folder, 'workspaces'), uid: UID, fileBytes: 8 * MEBIBYTE });
const support = await sandboxes.support();
if (!support.isAvailable) console.warn(`Sandboxes are not tested: ${support.reason}`);
const onAbleMachines = support.isAvailable ? describe : describe.skip;

afterAll(async () => {
  await sandboxes.close();
  rmSync(folder, { recursive: true });
});

function start(argv: readonly string[], more: Partial<SandboxCommand> = {}, id = 'sess_1'): Promise<Execution> {
  const limits = {
    memoryBytes: 256 * MEBIBYTE,
    processes: 64,
    cpus: 1,
    scratchBytes: 16 * MEBIBYTE,
    diskBytes: 1024 * MEBIBYTE,
  };
  const place: SandboxPlace = { workspace, scope: new AccessScope(id, toFileAccess(undefined)), limits };
  return sandboxes.exec(place, { argv, env: {}, timeoutMs: 30_000, outputBytes: 64 * MEBIBYTE, ...more });
}

const shell = (script: string, more: Partial<SandboxCommand> = {}): Promise<Execution> =>
  start(['sh', '-c', script], more);

async function textOf(execution: Execution): Promise<string> {
  let text = '';
  for await (const { data } of execution.output) text += data.toString('latin1');
  return text;
}

/** Processes of this machine with `word` in their command line. */
function running(word: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0').includes(word);
    } catch (error) {
      if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
      throw error;
    }
  });
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await pause(10);
}

onAbleMachines('a command by way of the runner', () => {
  it('is given its input and tells of its output and its end', async () => {
    const execution = await shell('cat; echo problem >&2; exit 3');
    await execution.write(Buffer.alloc(200_000, 'a'));
    await execution.write(null);
    const chunks = [];
    for await (const chunk of execution.output) chunks.push(chunk);
    expect(chunks.map(({ seq }) => seq)).toEqual(chunks.map((_, index) => index + 1));
    const bytes = Buffer.concat(chunks.filter(({ stream }) => stream === 'stdout').map(({ data }) => data));
    expect(bytes.equals(Buffer.alloc(200_000, 'a'))).toBe(true);
    expect(chunks.filter(({ stream }) => stream === 'stderr').map(({ data }) => String(data))).toEqual(['problem\n']);
    expect(await execution.exit).toMatchObject({ code: 3, signal: null, truncated: false });
  });

  it('is stopped, too, by a runner that dies before it has said so', async () => {
    const execution = await shell('echo on; sleep 1000');
    for await (const { data } of execution.output) if (data.toString() === 'on\n') break;
    const pid = sandboxes.pid!;
    process.kill(pid, 'SIGSTOP');
    const stopped = sandboxes.stop('sess_1');
    // Asked by now, or about to: either way it is this runner that is asked.
    await pause(100);
    process.kill(pid, 'SIGKILL');
    await stopped;
    await expect(execution.exit).rejects.toMatchObject({ reason: 'execution_lost' });
    expect(await (await shell('echo again')).exit).toMatchObject({ code: 0 });
  });

  it('waits for whoever reads its output, and for nobody once that one has left', async () => {
    const execution = await shell('head -c 20000000 /dev/zero; echo end > $HOME/end');
    const end = join(workspace, '.sessions/sess_1/end');
    for await (const { seq } of execution.output) {
      if (seq < 3) continue;
      await pause(300);
      expect(existsSync(end)).toBe(false);
      break;
    }
    expect(await execution.exit).toMatchObject({ code: 0 });
    expect(existsSync(end)).toBe(true);
  });

  it('writes no file that is longer than allowed, and is told of it', async () => {
    const execution = await shell('head -c 8388608 /dev/zero > whole && exec head -c 8388609 /dev/zero > longer');
    expect(await textOf(execution)).toBe('');
    expect(await execution.exit).toMatchObject({ signal: 'SIGXFSZ', diskFull: true, timedOut: false });
    expect(statSync(join(workspace, '.sessions/sess_1/longer')).size).toBe(8 * MEBIBYTE);
  });

  it('hears signals and a cancellation although it takes no input', async () => {
    const execution = await shell('exec 2>/dev/null; trap "echo heard" USR1; echo ready; while :; do sleep 0.05; done');
    const output = execution.output[Symbol.asyncIterator]();
    await output.next();
    const full = execution.write(Buffer.alloc(1_000_000));
    execution.signal('SIGUSR1');
    expect(String((await output.next()).value?.data)).toBe('heard\n');
    execution.cancel();
    await output.next();
    expect(await execution.exit).toMatchObject({ cancelled: true });
    await full;
  });

  it('that cannot be started says why', async () => {
    await expect(shell('true', { env: { 'A=B': 'x' } })).rejects.toMatchObject({
      code: 'invalid_input',
      field: 'argv',
    });
    const lost = await shell('true', { cwd: '/no/such/folder' });
    expect(await textOf(lost)).toContain('chdir');
    await expect(lost.exit).rejects.toMatchObject({ code: 'invalid_input', field: 'cwd' });
  });

  it('ends with its sandbox', async () => {
    const word = `63${process.pid}.1`;
    const execution = await start(['sh', '-c', `setsid sleep ${word} & sleep ${word}`], {}, 'sess_stopped');
    await until(() => running(word).length === 2);
    await sandboxes.stop('sess_stopped');
    expect(running(word)).toEqual([]);
    expect(await execution.exit).toMatchObject({ cancelled: true });
  });
});

onAbleMachines('the user of a sandbox', () => {
  (isRoot ? it : it.skip)('is not root of this machine, and owns what it makes', async () => {
    const execution = await shell('mkdir -p made && echo x > made/x; id -u');
    expect(await textOf(execution)).toBe('1000\n');
    expect(statSync(join(workspace, '.sessions/sess_1/made/x'))).toMatchObject({ uid: UID, gid: UID });
    const word = `65${process.pid}.1`;
    const sleeper = await shell(`exec sleep ${word}`);
    await until(() => running(word).length > 0);
    for (const pid of running(word))
      expect(readFileSync(`/proc/${pid}/status`, 'latin1')).toContain(`Uid:\t${UID}\t${UID}\t${UID}\t${UID}`);
    sleeper.cancel();
    await sleeper.exit;
    expect(support).toMatchObject({ uid: UID });
  });
});

onAbleMachines('a runner that dies', () => {
  it('takes its commands along, which end as lost, and is followed by another one', async () => {
    const word = `64${process.pid}.1`;
    const execution = await start(['sh', '-c', `echo on; setsid sleep ${word} & sleep ${word}`]);
    const output = execution.output[Symbol.asyncIterator]();
    expect(String((await output.next()).value?.data)).toBe('on\n');
    await until(() => running(word).length === 2);
    const writing = execution.write(Buffer.alloc(1_000_000));
    process.kill(sandboxes.pid!, 'SIGKILL');
    expect(await output.next()).toMatchObject({ done: true });
    await expect(execution.exit).rejects.toMatchObject({ code: 'unavailable', reason: 'execution_lost' });
    await writing;
    await until(() => running(word).length === 0);
    expect(await textOf(await shell('echo again'))).toBe('again\n');
  });
});

describe('a machine without bubblewrap', () => {
  it('is told what to install', async () => {
    const searchPath = join(folder, 'bin');
    mkdirSync(searchPath);
    for (const name of ['chmod', 'mkdir', 'mount', 'sh', 'unshare'])
      symlinkSync(execFileSync('which', [name], { encoding: 'utf8' }).trim(), join(searchPath, name));
    const without = new RunnerSandboxes({ workspaces: join(folder, 'workspaces'), uid: UID, searchPath });
    try {
      expect(await without.support()).toMatchObject({
        isAvailable: false,
        reason: expect.stringContaining('apt-get install bubblewrap') as string,
      });
      const place = { workspace, scope: new AccessScope('sess_1', toFileAccess(undefined)) };
      const limits = { memoryBytes: 1, processes: 1, cpus: 1, scratchBytes: 1, diskBytes: 1 };
      const command = { argv: ['true'], env: {}, timeoutMs: 1, outputBytes: 1 };
      await expect(without.exec({ ...place, limits }, command)).rejects.toMatchObject({
        code: 'unavailable',
        reason: 'sandboxes_unavailable',
      });
      await without.stop('sess_1');
    } finally {
      await without.close();
    }
  });
});
