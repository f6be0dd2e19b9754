import { chownSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { geteuid } from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { codingScope } from '../coding-sessions/checkout.js';
import { RunnerSandboxes } from '../provider/runner-sandboxes.js';
import type { SandboxPlace } from '../provider/sandbox-provider.js';
import { SandboxGit } from './sandbox-git.js';

const MEBIBYTE = 1_048_576;
const UID = 60_800;

const folder = mkdtempSync(join(tmpdir(), 'roundhouse-git-'));
const workspace = join(folder, 'workspaces/account');
mkdirSync(join(workspace, '.sessions/s/work'), { recursive: true });
if (geteuid!() === 0)
  for (const path of ['', '.sessions', '.sessions/s', '.sessions/s/work']) chownSync(join(workspace, path), UID, UID);

const sandboxes = new RunnerSandboxes({ workspaces: join(folder, 'workspaces'), uid: UID });
const support = await sandboxes.support();
if (!support.isAvailable) console.warn(`Git in sandboxes is not tested: ${support.reason}`);
const onAbleMachines = support.isAvailable ? describe : describe.skip;

afterAll(async () => {
  await sandboxes.close();
  rmSync(folder, { recursive: true });
});

const git = new SandboxGit(sandboxes);
const place: SandboxPlace = {
  workspace,
  scope: codingScope('s'),
  limits: {
    memoryBytes: 128 * MEBIBYTE,
    processes: 64,
    cpus: 1,
    scratchBytes: 16 * MEBIBYTE,
    diskBytes: 1024 * MEBIBYTE,
  },
};
const parts = async (script: string, seconds?: number, args: string[] = []): Promise<string[]> =>
  (await git.parts(place, { script, args, ...(seconds !== undefined && { seconds }) })).map((part) => part.toString());

onAbleMachines('a script of git in a sandbox', () => {
  it('gives its parts, each up to its size', async () => {
    expect(await parts('printf 12345 | emit 3; printf "" | emit 9; echo "$1" | emit 99', undefined, ['a b'])).toEqual([
      '123',
      '',
      'a b\n',
    ]);
  });

  it.each<[string, string, object]>([
    ['for want of a repository', 'needRepository', { code: 'conflict', reason: 'no_repository' }],
    ['in a pipe', 'run git no-such-command | emit 9', { reason: 'git_failed', message: /is not a git command/ }],
    ['at its end', 'echo why >&2; exit 3', { reason: 'git_failed', message: /why/ }],
    ['with output of another’s', 'echo injected', { reason: 'git_failed', message: /disturbed/ }],
    ['with a part cut short', 'echo 99; echo short', { reason: 'git_failed', message: /disturbed/ }],
    ['for more output than is taken', 'head -c 20000000 /dev/zero', { reason: 'git_failed' }],
    [
      'for its lock',
      `echo "fatal: Unable to create '/x/index.lock': File exists." >&2; exit 128`,
      { reason: 'repository_locked' },
    ],
    ['for the memory it needs', 'a=x; while :; do a=$a$a; done', { code: 'conflict', reason: 'git_failed' }],
  ])('fails %s', async (_name, script, error) => {
    const { message, ...facts } = error as { message?: RegExp };
    const failure = parts(script);
    await expect(failure).rejects.toMatchObject(facts);
    if (message) await expect(failure).rejects.toThrow(message);
  });

  it('has enough output without being called a failure', async () => {
    expect(await parts('run seq 1 100000 | emit 4')).toEqual(['1\n2\n']);
  });

  it('is ended in time', async () => {
    await expect(parts('sleep 60', 0.3)).rejects.toMatchObject({ code: 'timeout' });
  });

  it('says that its sandbox was stopped', async () => {
    const failure = parts('touch ~/begun; sleep 60');
    failure.catch(() => undefined);
    while (!existsSync(join(workspace, '.sessions/s/begun'))) await pause(10);
    await sandboxes.stop('s');
    await expect(failure).rejects.toMatchObject({ code: 'conflict', reason: 'sandbox_stopped' });
  });

  it('needs its checkout', async () => {
    const elsewhere = { ...place, scope: codingScope('other') };
    await expect(git.parts(elsewhere, { script: 'true' })).rejects.toMatchObject({ reason: 'no_repository' });
  });
});
