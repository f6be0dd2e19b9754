import { rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { BubblewrapSandboxes } from './bubblewrap-sandboxes.js';
import { whatBubblewrapLacks } from './bubblewrap-support.js';
import { newWorkspace, placed, type Ran, run } from './testing/placed.js';

const SEARCH_PATH = process.env['PATH'] ?? '/usr/bin:/bin';
const lack = await whatBubblewrapLacks(SEARCH_PATH);
const onAbleMachines = lack === null ? describe : describe.skip;

let sandboxes: BubblewrapSandboxes;
let workspace: string;

const shell = (script: string): Promise<Ran> => run(sandboxes, placed(workspace, 'sess_e'), ['sh', '-c', script]);

beforeAll(async () => {
  if (lack !== null) return;
  sandboxes = await BubblewrapSandboxes.open(SEARCH_PATH);
  workspace = newWorkspace();
});

afterAll(async () => {
  if (lack !== null) return;
  await sandboxes.close();
  rmSync(workspace, { recursive: true });
});

onAbleMachines('a program that wants out', () => {
  it.each([
    ['mounts', 'mount -t tmpfs none /tmp', /permission denied|must be superuser|not permitted/i],
    ['makes name spaces', 'unshare -U true; unshare -m true; unshare -n true', /(not permitted[^]*){3}/],
    ['enters name spaces', 'nsenter -t 1 -m true', /not permitted|denied/i],
    // Opened for writing and never written: where this fails, it must fail for this test alone and not for the machine.
    ['sets kernel parameters', ': >> /proc/sys/kernel/core_pattern', /Read-only/],
    ['turns interrupts', ': >> /proc/irq/default_smp_affinity', /Read-only|denied/],
    ['reads the memory of the machine', 'head -c1 /proc/kcore', /denied|not permitted|No such file/],
    ['makes devices', 'mknod /tmp/disk b 8 0', /not permitted/],
    ['becomes root', 'chown 0:0 /tmp; chroot / true', /not permitted|Invalid argument/],
    [
      'fills what is no folder of its own',
      'head -c 1000 /dev/zero > /dev/x; echo > /etc/x; echo > /usr/x',
      /(Read-only[^]*){3}/,
    ],
  ])('and %s is refused', async (_name, script, refusal) => {
    const { stdout, stderr } = await shell(script);
    expect(stdout + stderr).toMatch(refusal);
  });

  it('runs under the filter, without a single capability or a way to gain one', async () => {
    const { stdout } = await shell('cat /proc/self/status');
    const facts = Object.fromEntries(stdout.split('\n').map((line) => line.split(':\t')));
    expect(facts).toMatchObject({
      CapPrm: '0000000000000000',
      CapEff: '0000000000000000',
      CapAmb: '0000000000000000',
      NoNewPrivs: '1',
      Seccomp: '2',
    });
    expect(facts['Uid']).toMatch(/^1000\b/);
  });
});

onAbleMachines('a program that looks around', () => {
  it('sees no process but its own, and reaches none outside', async () => {
    const { stdout } = await shell(
      `ls /proc | grep -c '^[0-9]'; kill -0 ${process.pid} 2>&1; cat /proc/${process.pid}/environ 2>&1`,
    );
    const [count, ...answers] = stdout.trim().split('\n');
    expect(Number(count)).toBeLessThan(8);
    expect(answers.join('\n')).toMatch(/No such process[^]*No such file/);
  });

  it('finds no file and no folder open, and nothing of the environment', async () => {
    const { stdout } = await shell(
      'for f in /proc/self/fd/* /proc/1/fd/*; do readlink $f; done; cat /proc/1/environ | tr "\\0" "\\n"; env',
    );
    expect(stdout.split('\n').filter((line) => /^\/(?!dev\/null$|proc\/)/.test(line))).toEqual([]);
    expect(stdout).toMatch(/^(socket|pipe):/m);
    expect(stdout).not.toContain('JEST_WORKER_ID');
    expect(stdout).not.toContain('NODE_OPTIONS');
  });

  it('finds no keys and no accounts of the machine', async () => {
    const { stdout } = await shell(
      'cat /etc/shadow /root/.ssh/* /home/*/.ssh/* 2>/dev/null; ls /etc/ssl; cat /etc/passwd; ls -A /',
    );
    expect(stdout).toContain('sandbox:x:1000:1000');
    expect(stdout).not.toContain('root:');
    expect(stdout).not.toContain('private');
    expect(
      stdout.split('\n').filter((name) => ['home', 'root', 'var', 'run', 'srv', 'mnt', 'sys'].includes(name)),
    ).toEqual([]);
  });

  it('has no network, not even that of this machine', async () => {
    const server = createServer((socket) => socket.end('reached')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    try {
      const script = `exec 3<>/dev/tcp/127.0.0.1/${port} && cat <&3; cat /proc/net/route; ls /sys/class/net`;
      const { stdout } = await run(sandboxes, placed(workspace, 'sess_e'), ['bash', '-c', script]);
      expect(stdout).not.toContain('reached');
      expect(stdout.trim().split('\n')).toHaveLength(1);
    } finally {
      server.close();
    }
  });
});
