import { existsSync, statSync } from 'node:fs';
import { readdir, rmdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { arch, geteuid } from 'node:process';
import { Database } from '../../libs/platform/src/index.js';
import { type Answer, signUp, type TestAccount } from '../support/client.js';
import { onAbleMachines } from '../support/sandboxes.js';
import { DECISIONS, LAID_OUT, LINKS, LISTINGS, SCOPE } from '../support/scope-table.js';
import { startTestServer, type TestServer } from '../support/server.js';

const MEBIBYTE = 1_048_576;
const UID = 60_800;
const INSIDE = '/opt/sandbox/workspace';
const SECRET = 'a-secret-of-the-server';

let server: TestServer;
let alice: TestAccount;
let disk: string; // Alice’s workspace
let wide: string;
let narrow: string;
let other: string;

beforeAll(async () => {
  process.env['ROUNDHOUSE_TEST_SECRET'] = SECRET;
  server = await startTestServer({
    SANDBOX_PROCESSES: '64',
    SANDBOX_MEMORY_BYTES: String(64 * MEBIBYTE),
    SANDBOX_SCRATCH_BYTES: String(4 * MEBIBYTE),
    LLM_BASE_URL: 'http://127.0.0.1:1',
    LLM_API_KEY: SECRET,
    LLM_MODEL: 'none',
  });
  alice = await signUp(server);
  await alice.get('/health'); // The first look begins to find the level out.
  [wide, narrow, other] = [await session(), await session(SCOPE), await session()];
  const [row] = await server.app
    .get(Database)
    .query<{ accountId: string }>('select account_id as "accountId" from sandbox where id = $1', [wide]);
  disk = join(server.dataDir, 'workspaces', row!.accountId);
  for (const path of LAID_OUT) await put(wide, path, path);
  for (const id of [narrow, other]) await put(id, `.sessions/${id}/n`, 'n');
  for (const [path, target] of Object.entries(LINKS)) await symlink(target, join(disk, path));
});

afterAll(async () => {
  await server.close();
  delete process.env['ROUNDHOUSE_TEST_SECRET'];
});

interface Ran {
  readonly stdout: string;
  readonly stderr: string;
  readonly exit: Readonly<Record<string, unknown>>;
}

async function session(file_access?: object): Promise<string> {
  const { body } = await alice.post('/v1/sessions', { persistent: true, ...(file_access && { file_access }) });
  return (body as { id: string }).id;
}

const exec = (id: string, argv: readonly string[], more: object = {}): Promise<Answer> =>
  alice.post(`/v1/sessions/${id}/exec`, { argv, ...more }, { accept: 'application/json' });
const shell = async (id: string, script: string, more: object = {}): Promise<Ran> =>
  (await exec(id, ['sh', '-c', script], more)).body as Ran;
const put = (id: string, path: string, text: string): Promise<Answer> =>
  alice.send('PUT', `/v1/sessions/${id}/files/${path}`, Buffer.from(text));
const get = (id: string, path: string): Promise<Answer> => alice.get(`/v1/sessions/${id}/files/${path}`);
/** A directory's names over HTTP, as `ls` shows them. */
const listed = async (id: string, path = ''): Promise<string> =>
  ((await alice.get(`/v1/sessions/${id}/files?path=${path}`)).body as { name: string }[])
    .map(({ name }) => `${name}\n`)
    .join('');
const named = (path: string): string => path.replace('own', narrow).replace('other', other);

/** Asks the kernel for each path, changing nothing: how a read and a write of it begin. */
const PROBE = `for path in "$@"; do
  reads=$(cat "$path" 2>&1 >/dev/null) && reads=ok
  writes=$(dd if=/dev/null of="$path" oflag=append conv=notrunc status=none 2>&1) && writes=ok
  printf '%s\\t%s\\t%s\\n' "$path" "\${reads##*: }" "\${writes##*: }"
done`;

onAbleMachines('the decisions of a scope inside the sandbox', () => {
  let found: Map<string, [string, string]>;
  beforeAll(async () => {
    const paths = DECISIONS.map(({ path }) => named(path));
    const { body } = await exec(narrow, ['sh', '-c', PROBE, 'sh', ...paths]);
    const lines = (body as Ran).stdout.trimEnd().split('\n');
    found = new Map(lines.map((line) => [line.split('\t')[0]!, line.split('\t').slice(1) as [string, string]]));
  });

  it.each(DECISIONS)('$path: read $reads, write $writes', ({ path, reads, writes }) => {
    const [read, write] = found.get(named(path))!;
    expect(read).toBe(reads);
    expect(writes).toContain(write);
  });

  it.each(Object.entries(LISTINGS))('of "%s" show %j', async (path, entries) => {
    const { stdout } = await shell(narrow, `ls -A "${INSIDE}/${path}"`);
    expect(stdout.trimEnd().split('\n').sort()).toEqual(entries.map(named).sort());
  });

  it('are not climbed, and writes beside them are not lost: there are none', async () => {
    const script = 'cat projects/p1/../../secret; echo x > x; mkdir projects/p3; echo x > projects/x; ls -A . projects';
    const { stdout, stderr } = await shell(narrow, script);
    expect(stderr).toMatch(
      /secret: No such file[^]*x: Read-only[^]*projects\/p3.: Read-only[^]*projects\/x: Read-only/,
    );
    expect(stdout).not.toMatch(/^(x|p3)$/m);
  });
});

const LINKED = {
  linked: '/etc',
  others: '.sessions',
  loop: 'loop',
  up: '..',
  current: 'a',
  absolute: '/opt/sandbox/workspace/a',
};

onAbleMachines('the shapes of a scope inside the sandbox', () => {
  beforeAll(async () => {
    for (const path of ['a/file', 'a/b/file']) await put(wide, path, path);
    for (const [name, target] of Object.entries(LINKED)) await symlink(target, join(disk, name));
  });

  const EVERYTHING = expect.stringMatching(/^\.sessions\na\n(.*\n)*projects\n(.*\n)*secret\n/) as string;

  it.each<[string, object | undefined, unknown, string]>([
    ['absent', undefined, EVERYTHING, 'ok'],
    ['{}', {}, EVERYTHING, 'ok'],
    ['one entry to read', { read: ['a'] }, '.sessions\na\n', 'Read-only file system'],
    ['one entry to write', { write: ['a'] }, '.sessions\na\n', 'ok'],
    ['two empty lists', { read: [], write: [] }, '.sessions\n', 'No such file or directory'],
    ['all to read, one to write', { read: [''], write: ['a'] }, EVERYTHING, 'ok'],
    ['all to read', { read: [''], write: [] }, EVERYTHING, 'Read-only file system'],
    ['an entry in odd spelling', { write: ['./a//'] }, '.sessions\na\n', 'ok'],
    ['a star, which is a name', { read: ['a*'] }, '.sessions\na*\n', 'No such file or directory'],
    ['a file', { write: ['a/file'] }, '.sessions\na\n', 'ok'],
    [
      'an entry in another, and twice',
      { read: ['a', 'a/b', 'a'], write: [] },
      '.sessions\na\n',
      'Read-only file system',
    ],
  ])('%s', async (_name, access, list, write) => {
    const id = await session(access);
    expect(await listed(id)).toEqual(list);
    expect((await put(id, 'a/file', 'a')).status).toBe(write === 'ok' ? 201 : 403);
    const { stdout } = await shell(
      id,
      'ls -A; echo --; ls .sessions; message=$(dd if=/dev/null of=a/file oflag=append status=none conv=notrunc 2>&1) && message=ok; echo "${message##*: }"',
    );
    const [entries, rest] = stdout.split('--\n') as [string, string];
    expect(entries).toEqual(list);
    expect(rest).toBe(`${id}\n${write}\n`);
  });

  it('missing entries are made, readable or writable as they are', async () => {
    const id = await session({ read: ['later/r'], write: ['later/w'] });
    expect(await listed(id, 'later')).toBe('r\nw\n');
    const { stdout, stderr } = await shell(id, 'echo new > later/w/x && cat later/w/x; echo x > later/r/x');
    expect([stdout, stderr]).toEqual(['new\n', expect.stringContaining('Read-only')]);
    expect((await get(id, 'later/w/x')).body).toBe('new\n');
  });

  it.each([['linked'], ['linked/ssl'], ['others'], ['loop'], ['up'], ['a/file/below']])(
    'an entry that leads out of the workspace is refused: %s',
    async (entry) => {
      const body = { file_access: { read: [entry] } };
      expect(await alice.post('/v1/sessions', body)).toMatchObject({ status: 400, body: { field: 'file_access' } });
    },
  );

  it.each([
    ['current', 'a'],
    ['current/b', 'a/b'],
    ['absolute', 'a'],
    ['current/new/c', 'a/new/c'],
  ])('an entry that is a link is the place it leads to: %s', async (entry, place) => {
    const { status, body } = await alice.post('/v1/sessions', { file_access: { read: [entry] } });
    expect([status, body.file_access]).toEqual([201, { read: [place], write: [] }]);
    const id = body.id as string;
    expect((await get(id, place)).status).toBe(200);
    expect((await get(id, 'current')).status).toBe(403);
    expect(await shell(id, `ls -d ${place}; ls current`)).toMatchObject({
      stdout: `${place}\n`,
      stderr: expect.stringContaining('No such file') as string,
    });
  });

  it('an entry that becomes a link later is not followed', async () => {
    const id = await session({ write: ['turned'] });
    await rmdir(join(disk, 'turned'));
    await symlink('secret', join(disk, 'turned'));
    expect(await exec(id, ['true'])).toMatchObject({ status: 409, body: { error: 'scope_changed' } });
    expect((await get(id, 'turned')).status).toBe(403);
  });
});

/** Numbers of system calls, for programs that have none of their own. */
const CALLS = arch === 'arm64' ? { ptrace: 117, bpf: 280, keyctl: 219 } : { ptrace: 101, bpf: 321, keyctl: 250 };
const perl = (call: string): string => `perl -e '$r = syscall(${call}); print $r == -1 ? "refused: $!" : "done: $r"'`;

onAbleMachines('a program that wants out', () => {
  const pid = process.pid;

  it.each<[string, string, RegExp, RegExp]>([
    ['links to the machine', 'ln -s /etc/shadow l; cat l; rm l', /No such file/, /root:/],
    ['links to the workspaces', 'ln -s ../../.. up; ls -a up/; rm up', /^\.\n\.\.\n/, /admin\.key/],
    [
      'hard links across mounts',
      `ln /etc/passwd p; ln /usr/bin/sh p; ln secret projects/p1/hard; perl -e 'link("secret", "hard") or die $!'`,
      /(cross-device[^]*){4}/,
      /^$/,
    ],
    ['mounts', 'mount -t tmpfs none /tmp; mount --bind / /tmp', /(permission denied|superuser|not permitted)/i, /^$/],
    ['makes name spaces', 'unshare -U true; unshare -m true; unshare -p -f true', /(not permitted[^]*){3}/, /^$/],
    ['enters name spaces', 'nsenter -t 1 -m ls /', /not permitted|denied/i, /root/],
    ['traces', perl(`${CALLS.ptrace}, 16, 1, 0, 0`), /refused: .*not permitted/, /done/],
    ['loads programs into the kernel', perl(`${CALLS.bpf}, 0, 0, 0`), /refused: .*not permitted/, /done/],
    [
      'asks for keys of the kernel',
      perl(`${CALLS.keyctl}, 0, -3, 0`),
      /refused: .*(not permitted|not implemented)/,
      /done/,
    ],
    ['signals the server', `kill -9 ${pid}; kill -9 -${pid}`, /(No such process[^]*){2}/, /^$/],
    ['signals everybody', 'kill -TERM -1; echo survived', /^survived/, /^$/],
    ['sees the server', `cat /proc/${pid}/environ; ls /proc | grep -c '^[0-9]'`, /No such file[^]*$/, /DATABASE_URL/],
    [
      'goes by the root of a process',
      'cat /proc/1/root/etc/shadow; ls /proc/1/root/',
      /denied|No such file/,
      /root:|^home$/m,
    ],
    [
      'sets the kernel',
      '(: >> /proc/sys/kernel/core_pattern); : >> /proc/sys/kernel/hostname',
      /(Read-only|denied)[^]*(Read-only|denied)/,
      /^$/,
    ],
    [
      'reads the memory of the machine',
      'head -c1 /proc/kcore; head -c1 /dev/mem; head -c1 /dev/kmsg',
      /(denied|No such|not permitted)/,
      /^$/,
    ],
    ['makes devices', 'mknod disk b 8 0; mknod /tmp/disk c 1 1', /(not permitted[^]*){2}/, /^$/],
    [
      'becomes root',
      'chown 0:0 .; chroot / true; setpriv --reuid=0 true',
      /(not permitted|Invalid argument)[^]*(not permitted|Invalid argument)/,
      /^$/,
    ],
    [
      'talks to the machine',
      `bash -c 'exec 3<>/dev/tcp/127.0.0.1/PORT && echo reached'; cat /proc/net/route | wc -l`,
      /1\n[^]*(refused|unreachable)/,
      /reached/,
    ],
    [
      'looks for control groups',
      'ls /sys/fs/cgroup; echo 1 > /sys/fs/cgroup/pids/tasks',
      /(No such|nonexistent)/,
      /memory/,
    ],
  ])('and %s is refused', async (_name, script, refusal, leak) => {
    const ran = await shell(wide, script.replace('PORT', new URL(server.url).port));
    expect(ran.stdout + ran.stderr).toMatch(refusal);
    if (leak.source !== '^$') expect(ran.stdout).not.toMatch(leak);
    expect(process.kill(pid, 0)).toBe(true);
  });

  it('finds no key, no environment and no file of the server', async () => {
    expect(existsSync(join(server.dataDir, 'admin.key'))).toBe(true);
    const script = `env; cat /proc/*/environ | tr '\\0' '\\n'; cat ${server.dataDir}/admin.key; ls ${server.dataDir};
      cat /root/.ssh/* /home/*/.ssh/* /etc/shadow /etc/passwd; ls -A / /tmp /etc/ssl;
      for fd in /proc/self/fd/* /proc/1/fd/*; do readlink $fd; done`;
    const { stdout } = await shell(other, script);
    expect(stdout).toContain('sandbox:x:1000');
    expect(stdout).not.toContain(SECRET);
    expect(stdout).not.toContain(server.dataDir);
    expect(stdout).not.toMatch(/NODE_OPTIONS|DATABASE_URL|admin\.key|private|^root:/m);
    expect(stdout).not.toMatch(/^(home|root|var|run|srv|mnt|sys|boot)$/m);
  });

  it('finds nothing of another session, neither files nor processes', async () => {
    await put(other, `.sessions/${other}/private`, 'private matter');
    const { body } = await exec(other, ['sh', '-c', 'exec sleep 77.125'], { background: true });
    const script = `cat .sessions/${other}/*; ls .sessions; ls -la .sessions/${other}; cat /proc/*/cmdline | tr '\\0' ' '`;
    const { stdout, stderr } = await shell(wide, script);
    expect(stdout).toMatch(new RegExp(`^${wide}$`, 'm'));
    expect(stdout).not.toMatch(/private|77\.125/);
    expect(stderr).toContain('No such file');
    await alice.post(`/v1/sessions/${other}/exec/${(body as { id: string }).id}/cancel`);
  });

  (geteuid!() === 0 ? it : it.skip)('is not root of the machine, whoever started the server', async () => {
    const { stdout } = await shell(wide, 'id -u; touch mine; chmod 4755 mine');
    expect(stdout).toBe('1000\n');
    expect(statSync(join(disk, 'mine')).uid).toBe(UID);
    expect(statSync(join(disk, 'a')).uid).not.toBe(0);
  });

  it('has no capability and no way to gain one', async () => {
    const { stdout } = await shell(wide, 'cat /proc/self/status');
    for (const line of ['CapPrm:\t0000000000000000', 'CapEff:\t0000000000000000', 'NoNewPrivs:\t1', 'Seccomp:\t2'])
      expect(stdout).toContain(line);
  });
});

onAbleMachines('a program that takes all it gets', () => {
  /** Whatever happens there, this one works. */
  const expectOthersFine = async (): Promise<void> => {
    expect((await shell(other, 'echo fine')).stdout).toBe('fine\n');
    expect((await alice.get('/v1/sessions')).status).toBe(200);
  };

  it('of processes finds an end of them', async () => {
    const { level } = ((await alice.get('/health')).body as { sandboxes: { level?: string } }).sandboxes;
    // A real bomb only where the kernel itself counts: ten looks in a second are no match for one.
    const isKept = level?.startsWith('cgroup') === true;
    const script = isKept ? 'f() { f | f & f; }; f; wait' : 'for n in $(seq 200); do sleep 5 & done; wait';
    const bomb = shell(wide, script, { timeout: 2 });
    await expectOthersFine();
    const { exit, stderr } = await bomb;
    expect(exit['too_many_processes'] === true || /fork|Resource/.test(stderr)).toBe(true);
    await expectOthersFine();
  });

  it('of memory is ended and told so', async () => {
    const bomb = shell(wide, 'x=$(head -c 4000000 /dev/zero | tr "\\0" x); while :; do x=$x$x; done', { timeout: 60 });
    await expectOthersFine();
    expect((await bomb).exit).toMatchObject({ oom_killed: true, timed_out: false });
    await expectOthersFine();
  });

  it('of memory by way of files finds them bounded', async () => {
    const fill = 'for d in /tmp /dev/shm; do head -c 9000000 /dev/zero > $d/x; done; cat /tmp/x /dev/shm/x | wc -c';
    const { stdout, stderr } = await shell(wide, fill);
    expect(stderr).toMatch(/(No space left[^]*){2}/);
    expect(Number(stdout)).toBeLessThanOrEqual(8 * MEBIBYTE);
    expect((await shell(wide, 'echo x > /dev/x; echo x > /etc/x; echo x > /x')).stderr).toMatch(/(Read-only[^]*){3}/);
  });

  it('of the output is cut, keeps nobody waiting and fills nothing', async () => {
    const { exit, stdout } = await shell(wide, 'timeout 1 yes; echo end >&2', { max_output_bytes: 100_000 });
    expect(exit).toMatchObject({ truncated: true, timed_out: false });
    expect(stdout).toHaveLength(100_000);
    const logs = join(server.dataDir, 'executions', wide);
    for (const name of await readdir(logs)) expect(statSync(join(logs, name)).size).toBeLessThan(2 * MEBIBYTE);
    await expectOthersFine();
  });

  it('of the time is ended, with all it started', async () => {
    const { exit } = await shell(wide, 'trap "" TERM HUP INT; (trap "" TERM; sleep 78.125) & sleep 78.125', {
      timeout: 1,
    });
    expect(exit).toMatchObject({ timed_out: true, code: 137 });
    const { stdout } = await shell(wide, 'cat /proc/*/cmdline');
    expect(stdout).not.toContain('78.125');
  });
});
