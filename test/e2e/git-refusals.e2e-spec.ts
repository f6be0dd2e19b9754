import { randomBytes } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { Database } from '../../libs/platform/src/index.js';
import { signUp, type TestAccount } from '../support/client.js';
import {
  emptyWorkTree,
  expectSound,
  GitClient,
  type HostedRepo,
  hostRepo,
  objectFiles,
  refsOf,
  ZERO,
} from '../support/git.js';
import { basic, postGit, pushBody, type WireAnswer, type WireCommand } from '../support/git-wire.js';
import { startOn, startTestServer, type TestServer } from '../support/server.js';

let server: TestServer;
let client: GitClient;
let alice: TestAccount;
let repo: HostedRepo;
let work: string;
let head: string;

beforeAll(async () => {
  server = await startTestServer();
  client = new GitClient();
  alice = await signUp(server);
});

afterAll(async () => {
  await server.close();
  client.remove();
});

/** A repository with one commit on main, which `work` has too. */
beforeEach(async () => {
  repo = await hostRepo(server, alice);
  work = await emptyWorkTree(client, repo);
  head = await client.commit(work, 'a.txt', 'one\n');
  await client.git(work, 'push', '-q', 'origin', 'main');
});

function push(commands: readonly WireCommand[], pack: Buffer, headers = {}): Promise<WireAnswer> {
  const body = pushBody(commands, pack);
  return postGit(`${repo.openUrl}/git-receive-pack`, body, { ...basic(alice.key!), ...headers });
}

/** Runs `attempt` and holds what the repository was before against what it is after. */
async function expectNothingLeft<T>(attempt: () => Promise<T>): Promise<T> {
  const before = { refs: await refsOf(server, repo), files: objectFiles(repo) };
  const outcome = await attempt();
  expect({ refs: await refsOf(server, repo), files: objectFiles(repo) }).toEqual(before);
  return outcome;
}

function packOf(revisions: string): Buffer {
  return client.binary(work, ['pack-objects', '--stdout', '--revs', '-q'], revisions);
}

/** Writes an object of any content and answers its id. */
function store(type: 'blob' | 'tree' | 'commit', content: Buffer | string): string {
  const args = ['hash-object', '-t', type, '-w', '--stdin', '--literally'];
  return client.binary(work, args, content).toString().trim();
}

/** A commit on top of main whose tree holds one file of that name in a directory. */
function commitWithName(name: string): string {
  const blob = store('blob', 'content\n');
  const entry = (mode: string, path: string, oid: string): Buffer =>
    Buffer.concat([Buffer.from(`${mode} ${path}\0`), Buffer.from(oid, 'hex')]);
  const inner = store('tree', entry('100644', name, blob));
  const tree = store('tree', entry('40000', 'dir', inner));
  const person = 'Ada <ada@example.com> 1700000000 +0000';
  return store('commit', `tree ${tree}\nparent ${head}\nauthor ${person}\ncommitter ${person}\n\nBad\n`);
}

describe('a refused push leaves nothing behind', () => {
  it.each([
    ['.git', 'hasDotgit'],
    ['.GIT', 'hasDotgit'],
    ['git~1', 'hasDotgit'],
    ['..', 'hasDotdot'],
    ['.', 'hasDot'],
    ['a\\b', 'forbidden path'],
    ['a\u0001b', 'forbidden path'],
    ['x'.repeat(256), 'forbidden path'],
  ])('when a tree holds %j', async (name, reason) => {
    const bad = commitWithName(name);
    const command = { old: head, new: bad, ref: 'refs/heads/main' };
    const { status, text } = await expectNothingLeft(() => push([command], packOf(`${bad}\n^${head}\n`)));
    expect({ status, text }).toEqual({
      status: 200,
      text: expect.stringContaining('ng refs/heads/main unpack failed'),
    });
    expect(text).toContain(reason);
  });

  it('when one of several refs brings such a tree, whatever the others bring', async () => {
    const bad = commitWithName('a\\b');
    const good = await client.commit(work, 'b.txt', 'fine\n');
    const commands = [
      { old: head, new: good, ref: 'refs/heads/main' },
      { old: ZERO, new: bad, ref: 'refs/heads/bad' },
    ];
    const { text } = await expectNothingLeft(() => push(commands, packOf(`${bad}\n${good}\n^${head}\n`)));
    expect(text).toContain('ng refs/heads/main unpack failed');
    expect(text).toContain('ng refs/heads/bad unpack failed');
  });

  it('when objects are missing', async () => {
    const next = await client.commit(work, 'b.txt', 'two\n');
    const alone = client.binary(work, ['pack-objects', '--stdout', '-q'], `${next}\n`);
    const command = { old: head, new: next, ref: 'refs/heads/main' };
    const { text } = await expectNothingLeft(() => push([command], alone));
    expect(text).toMatch(/ng refs\/heads\/main unpack failed: did not receive expected object [0-9a-f]{40}/);
  });

  it('when it builds on objects that are there but that no visible ref leads to', async () => {
    const secret = await client.commit(work, 'secret.txt', 'password\n');
    await client.git(work, 'push', '-q', 'origin', 'main');
    await client.git(work, 'push', '-q', 'origin', `+${head}:main`);
    const tree = await client.git(work, 'rev-parse', `${secret}^{tree}`);
    const person = 'Ada <ada@example.com> 1700000000 +0000';
    const thief = store('commit', `tree ${tree}\nparent ${head}\nauthor ${person}\ncommitter ${person}\n\nMine now\n`);
    const alone = client.binary(work, ['pack-objects', '--stdout', '-q'], `${thief}\n`);
    const command = { old: head, new: thief, ref: 'refs/heads/main' };
    const { text } = await expectNothingLeft(() => push([command], alone));
    expect(text).toContain('ng refs/heads/main missing necessary objects');
  });

  it('when the pack is damaged, cut short or none at all', async () => {
    const next = await client.commit(work, 'b.txt', randomBytes(2000).toString('base64'));
    const pack = packOf(`${next}\n^${head}\n`);
    const damaged = Buffer.from(pack);
    damaged.writeUInt8(damaged.readUInt8(300) ^ 0xff, 300);
    for (const bytes of [damaged, pack.subarray(0, pack.length - 30), Buffer.alloc(0), Buffer.from('PACKnonsense')]) {
      const command = { old: head, new: next, ref: 'refs/heads/main' };
      const { status, text } = await expectNothingLeft(() => push([command], bytes));
      expect(status).toBe(200);
      expect(text).toContain('ng refs/heads/main unpack failed: ');
      expect(text).not.toContain(repo.directory);
    }
  });

  it.each(['refs/x', 'refs/notes/commits', 'HEAD', 'refs/heads/HEAD', 'refs/heads/a..b', 'refs/roundhouse/x', 'main'])(
    'when it names %s',
    async (ref) => {
      const next = await client.commit(work, 'b.txt', 'two\n');
      const command = { old: ZERO, new: next, ref };
      const { text } = await expectNothingLeft(() => push([command], packOf(`${next}\n^${head}\n`)));
      expect(text).toContain(`ng ${ref} invalid ref name`);
    },
  );

  it('when it deletes the default branch', async () => {
    const { code, output } = await expectNothingLeft(() => client.attempt(work, ['push', 'origin', ':main']));
    expect({ code, output }).toMatchObject({ code: 1, output: expect.stringContaining('default branch') });
  });

  it('when the old id is not where the ref is, be it an update, a creation or a deletion', async () => {
    const next = await client.commit(work, 'b.txt', 'two\n');
    await client.git(work, 'push', '-q', 'origin', 'main:other');
    const elsewhere = '1'.repeat(40);
    for (const command of [
      { old: elsewhere, new: next, ref: 'refs/heads/main' },
      { old: ZERO, new: next, ref: 'refs/heads/main' },
      { old: head, new: next, ref: 'refs/heads/absent' },
      { old: elsewhere, new: ZERO, ref: 'refs/heads/other' },
      { old: head, new: ZERO, ref: 'refs/heads/absent' },
    ]) {
      const pack = command.new === ZERO ? Buffer.alloc(0) : packOf(`${next}\n^${head}\n`);
      const { text } = await expectNothingLeft(() => push([command], pack));
      expect(text).toContain(`ng ${command.ref} concurrent update, retry push`);
    }
  });

  it('when a branch would point to something that is no commit', async () => {
    const blob = store('blob', 'just a blob\n');
    const pack = client.binary(work, ['pack-objects', '--stdout', '-q'], `${blob}\n`);
    const command = { old: ZERO, new: blob, ref: 'refs/heads/blob' };
    const { text } = await expectNothingLeft(() => push([command], pack));
    expect(text).toContain('ng refs/heads/blob invalid SHA');
  });

  it('when a ref would revive what was force-pushed away without sending it', async () => {
    const secret = await client.commit(work, 'secret.txt', 'password\n');
    await client.git(work, 'push', '-q', 'origin', 'main');
    await client.git(work, 'push', '-q', 'origin', `+${head}:main`);
    const command = { old: ZERO, new: secret, ref: 'refs/heads/revived' };
    const { text } = await expectNothingLeft(() => push([command], packOf('')));
    expect(text).toContain('ng refs/heads/revived missing necessary objects');
  });

  it('when the request itself is broken', async () => {
    const url = `${repo.openUrl}/git-receive-pack`;
    const command = { old: head, new: '2'.repeat(40), ref: 'refs/heads/main' };
    const good = pushBody([command], Buffer.alloc(0));
    const noisy = pushBody([command], Buffer.concat([Buffer.from('PACK'), randomBytes(100_000)]));
    for (const [body, headers] of [
      [Buffer.from('zzzz'), {}],
      [good.subarray(0, 50), {}],
      [Buffer.alloc(0), {}],
      [Buffer.from('not gzip'), { 'content-encoding': 'gzip' }],
      [gzipSync(good).subarray(0, 30), { 'content-encoding': 'gzip' }],
      [gzipSync(noisy).subarray(0, 60_000), { 'content-encoding': 'gzip' }],
      [good, { 'content-encoding': 'br' }],
    ] as const) {
      const answer = await expectNothingLeft(() => postGit(url, body, { ...basic(alice.key!), ...headers }));
      expect({ status: answer.status, type: answer.headers.get('content-type') }).toEqual({
        status: 400,
        type: expect.stringContaining('text/plain'),
      });
    }
  });

  it('when it is larger than allowed, chunked or announced', async () => {
    const small = await startOn(server.databaseUrl, server.dataDir, { MAX_PUSH_BYTES: '1048576' });
    try {
      const url = repo.url.replace(server.url.slice(7), small.url.slice(7));
      writeFileSync(join(client.path(work), 'noise.bin'), randomBytes(3 * 1024 * 1024));
      await client.commit(work, 'b.txt', 'two\n');
      for (const buffer of ['65536', '100000000']) {
        const args = ['-c', `http.postBuffer=${buffer}`, 'push', url, 'main'];
        const { code, output } = await expectNothingLeft(() => client.attempt(work, args));
        expect({ code, output }).toMatchObject({ code: 1, output: expect.stringContaining('HTTP 413') });
      }
      const open = `${small.url}${new URL(repo.openUrl).pathname}/git-receive-pack`;
      const command = { old: head, new: await client.git(work, 'rev-parse', 'main'), ref: 'refs/heads/main' };
      const answer = await postGit(open, pushBody([command], packOf(`main\n^${head}\n`)), basic(alice.key!));
      expect(answer).toMatchObject({ status: 413, text: 'Pack exceeds 1 MB limit' });
    } finally {
      await small.close();
    }
  });
});

describe('after refusals', () => {
  it('the repository is sound, unlocked and takes the corrected push', async () => {
    const bad = commitWithName('..');
    await push([{ old: head, new: bad, ref: 'refs/heads/main' }], packOf(`${bad}\n^${head}\n`));
    const next = await client.commit(work, 'b.txt', 'two\n');
    await client.git(work, 'push', '-q', 'origin', 'main');
    expect(await refsOf(server, repo)).toEqual([`refs/heads/main ${next}`]);
    expect(readdirSync(join(repo.directory, 'objects')).filter((name) => name.startsWith('incoming-'))).toEqual([]);
    await expectSound(client, repo);
  });

  it('has recorded only what was accepted', async () => {
    await push([{ old: ZERO, new: head, ref: 'refs/x' }], packOf(''));
    const rows = await server.app
      .get(Database)
      .query(`select 1 from audit where subject_id = $1 and action = 'repo.push'`, [repo.id]);
    expect(rows).toHaveLength(1);
  });
});
