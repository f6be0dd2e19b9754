import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { Database } from '../../libs/platform/src/index.js';
import { signUp, type TestAccount } from '../support/client.js';
import { clone, emptyWorkTree, expectSound, GitClient, hostRepo, objectFiles, refsOf, ZERO } from '../support/git.js';
import { basic, postGit, pushBody, type WireCommand } from '../support/git-wire.js';
import { startTestServer, type TestServer } from '../support/server.js';

const NO_OBJECTS = '';

let server: TestServer;
let client: GitClient;
let alice: TestAccount;

beforeAll(async () => {
  server = await startTestServer();
  client = new GitClient();
  alice = await signUp(server);
});

afterAll(async () => {
  await server.close();
  client.remove();
});

/** A pack of the objects `revisions` lead to, as a client would send it. */
function packOf(work: string, revisions: string): Buffer {
  return client.binary(work, ['pack-objects', '--stdout', '--revs', '-q'], revisions);
}

describe('pushing', () => {
  it('creates, moves, forces back and deletes branches and tags', async () => {
    const repo = await hostRepo(server, alice);
    const work = await emptyWorkTree(client, repo);
    const first = await client.commit(work, 'a.txt', 'one\n');
    const second = await client.commit(work, 'a.txt', 'two\n');
    await client.git(work, 'push', '-q', 'origin', 'main', 'main:topic', 'main:refs/tags/light');
    await client.git(work, 'push', '-q', 'origin', `+${first}:refs/heads/main`, ':topic');
    expect(await refsOf(server, repo)).toEqual([`refs/heads/main ${first}`, `refs/tags/light ${second}`]);
    await client.git(work, 'push', '-q', 'origin', ':refs/tags/light');
    expect(await refsOf(server, repo)).toEqual([`refs/heads/main ${first}`]);
    await expectSound(client, repo);
  });

  it('stores what annotated tags mean, tags of tags included', async () => {
    const repo = await hostRepo(server, alice);
    const work = await emptyWorkTree(client, repo);
    const head = await client.commit(work, 'a.txt', 'one\n');
    await client.git(work, 'tag', '-a', 'inner', '-m', 'Inner');
    await client.git(work, 'tag', '-a', 'outer', '-m', 'Outer', 'inner');
    await client.git(work, 'push', '-q', 'origin', 'main', 'outer');
    const rows = await server.app
      .get(Database)
      .query('select name, peeled from ref where repo_id = $1 order by name', [repo.id]);
    expect(rows).toEqual([
      { name: 'refs/heads/main', peeled: null },
      { name: 'refs/tags/outer', peeled: head },
    ]);
    expect((await alice.get(`/v1/repos/${repo.slug}/commits?ref=outer`)).body.commits[0].sha).toBe(head);
    await expectSound(client, repo);
  });

  it('accepts some refs and refuses others, and with atomic all or none', async () => {
    const repo = await hostRepo(server, alice);
    const work = await emptyWorkTree(client, repo);
    const head = await client.commit(work, 'a.txt', 'one\n');
    const some = await client.attempt(work, ['push', 'origin', 'main', 'main:refs/notes/x']);
    expect(some.output).toContain('[remote rejected] main -> refs/notes/x (invalid ref name)');
    expect(await refsOf(server, repo)).toEqual([`refs/heads/main ${head}`]);
    await client.commit(work, 'a.txt', 'two\n');
    const before = objectFiles(repo);
    const none = await client.attempt(work, ['push', '--atomic', 'origin', 'main', 'main:refs/notes/x']);
    expect(none.output).toContain('[remote rejected] main -> main (atomic push failed)');
    expect(await refsOf(server, repo)).toEqual([`refs/heads/main ${head}`]);
    expect(objectFiles(repo)).toEqual(before);
    await client.git(work, 'push', '-q', '--atomic', 'origin', 'main', 'main:other');
    expect(await refsOf(server, repo)).toHaveLength(2);
  });

  it('puts a branch where a deleted one was a directory in the same push', async () => {
    const repo = await hostRepo(server, alice);
    const work = await emptyWorkTree(client, repo);
    const head = await client.commit(work, 'a.txt', 'one\n');
    await client.git(work, 'push', '-q', 'origin', 'main', 'main:a/b');
    const clash = await client.attempt(work, ['push', 'origin', 'main:refs/heads/a']);
    expect(clash.output).toContain('(conflicts with an existing ref)');
    await client.git(work, 'push', '-q', 'origin', 'main:refs/heads/a', ':a/b');
    expect(await refsOf(server, repo)).toEqual([`refs/heads/a ${head}`, `refs/heads/main ${head}`]);
    await expectSound(client, repo);
  });

  // By hand: the client itself needs half a minute to match so many names.
  it('takes thousands of refs at once, and their deletion', async () => {
    const repo = await hostRepo(server, alice);
    const work = await emptyWorkTree(client, repo);
    const head = await client.commit(work, 'a.txt', 'one\n');
    await client.git(work, 'push', '-q', 'origin', 'main');
    const names = Array.from({ length: 5_000 }, (_, n) => `refs/tags/series-${n % 7}/t${n}`);
    const push = async (commands: WireCommand[], pack: Buffer): Promise<number> => {
      const url = `${repo.openUrl}/git-receive-pack`;
      const { text } = await postGit(url, pushBody(commands, pack), basic(alice.key!));
      return text.match(/ok refs\/tags\//g)?.length ?? 0;
    };
    const created = names.map((ref) => ({ old: ZERO, new: head, ref }));
    expect(await push(created, packOf(work, NO_OBJECTS))).toBe(5_000);
    expect(await refsOf(server, repo)).toHaveLength(5_001);
    const deleted = names.map((ref) => ({ old: head, new: ZERO, ref }));
    expect(await push(deleted, Buffer.alloc(0))).toBe(5_000);
    expect(await refsOf(server, repo)).toEqual([`refs/heads/main ${head}`]);
    await expectSound(client, repo);
  });

  it('takes 20 MB in chunks', async () => {
    const repo = await hostRepo(server, alice);
    const work = await emptyWorkTree(client, repo);
    writeFileSync(join(client.path(work), 'noise.bin'), randomBytes(20 * 1024 * 1024));
    const head = await client.commit(work, 'a.txt', 'one\n');
    await client.git(work, '-c', 'http.postBuffer=65536', 'push', '-q', 'origin', 'main');
    expect(await refsOf(server, repo)).toEqual([`refs/heads/main ${head}`]);
    await expectSound(client, repo);
  });

  it('tells a client that expects 100-continue to go on only when it may push', async () => {
    const repo = await hostRepo(server, alice);
    const work = await emptyWorkTree(client, repo);
    const head = await client.commit(work, 'a.txt', 'one\n');
    const body = pushBody([{ old: ZERO, new: head, ref: 'refs/heads/main' }], packOf(work, 'main\n'));
    expect(await pushExpecting(repo.openUrl, body, {})).toEqual({ continued: false, status: 401 });
    expect(await pushExpecting(repo.openUrl, body, basic(alice.key!))).toEqual({ continued: true, status: 200 });
    expect(await refsOf(server, repo)).toEqual([`refs/heads/main ${head}`]);
  });

  it('records one audit row and one event per push, and an event per ref', async () => {
    const repo = await hostRepo(server, alice);
    const work = await emptyWorkTree(client, repo);
    const head = await client.commit(work, 'a.txt', 'one\n');
    await client.git(work, 'push', '-q', 'origin', 'main', 'main:other');
    const db = server.app.get(Database);
    const audit = await db.query<{ action: string; facts: Record<string, unknown>; actor: string }>(
      `select action, facts, actor_user_id as actor from audit where subject_id = $1 and action = 'repo.push'`,
      [repo.id],
    );
    expect(audit).toHaveLength(1);
    expect(audit[0]).toMatchObject({ actor: alice.userId, facts: { ref_count: 2 } });
    expect(audit[0]!.facts['refs']).toContainEqual({ ref: 'refs/heads/main', old: ZERO, new: head });
    const events = await db.query<{ type: string }>('select type from event where subject_id = $1 order by id', [
      repo.id,
    ]);
    expect(events.map((event) => event.type)).toEqual(['repo.created', 'ref.changed', 'ref.changed', 'repo.pushed']);
  });
});

describe('pushing at the same time', () => {
  it('lets exactly one of many pushes move a ref from the same place', async () => {
    const repo = await hostRepo(server, alice);
    const work = await emptyWorkTree(client, repo);
    const base = await client.commit(work, 'a.txt', 'base\n');
    await client.git(work, 'push', '-q', 'origin', 'main');
    const bodies: { head: string; body: Buffer }[] = [];
    for (let n = 0; n < 8; n += 1) {
      await client.git(work, 'checkout', '-q', '--detach', base);
      const head = await client.commit(work, 'a.txt', `mine ${n}\n`);
      const pack = packOf(work, `${head}\n^${base}\n`);
      bodies.push({ head, body: pushBody([{ old: base, new: head, ref: 'refs/heads/main' }], pack) });
    }
    const url = `${repo.openUrl}/git-receive-pack`;
    const answers = await Promise.all(bodies.map(({ body }) => postGit(url, body, basic(alice.key!))));
    const won = bodies.filter((_, n) => answers[n]!.text.includes('ok refs/heads/main'));
    expect(won).toHaveLength(1);
    expect(answers.filter(({ text }) => text.includes('concurrent update, retry push'))).toHaveLength(7);
    expect(await refsOf(server, repo)).toEqual([`refs/heads/main ${won[0]!.head}`]);
    await expectSound(client, repo);
    // Whoever lost has left nothing: the packs are the base's and the winner's.
    expect(objectFiles(repo).filter((file) => file.endsWith('.pack'))).toHaveLength(2);
    expect(objectFiles(repo).filter((file) => file.includes('incoming-'))).toEqual([]);
  });

  it('lets exactly one of many pushes create a ref', async () => {
    const repo = await hostRepo(server, alice);
    const work = await emptyWorkTree(client, repo);
    const head = await client.commit(work, 'a.txt', 'base\n');
    await client.git(work, 'push', '-q', 'origin', 'main');
    const body = pushBody([{ old: ZERO, new: head, ref: 'refs/heads/new' }], packOf(work, NO_OBJECTS));
    const url = `${repo.openUrl}/git-receive-pack`;
    const answers = await Promise.all(Array.from({ length: 6 }, () => postGit(url, body, basic(alice.key!))));
    expect(answers.filter(({ text }) => text.includes('ok refs/heads/new'))).toHaveLength(1);
  });

  it('loses nothing when the API commits to the branches that are being pushed', async () => {
    const repo = await hostRepo(server, alice, { init: true });
    const folders = await Promise.all([clone(client, repo.url), clone(client, repo.url)]);
    const commits = Array.from({ length: 12 }, async (_, n) => {
      const changes = [{ path: `api/${n}.txt`, content: `${n}\n` }];
      return alice.post(`/v1/repos/${repo.slug}/commits`, { branch: 'main', message: `Commit ${n}`, changes });
    });
    const pushed = await Promise.all(folders.map((folder, n) => pushPatiently(folder, `git-${n}`)));
    const acknowledged = (await Promise.all(commits)).map(({ status, body }) => ({ status, sha: body.sha as string }));
    expect(acknowledged.map(({ status }) => status)).toEqual(Array(12).fill(201));
    const folder = await clone(client, repo.url);
    for (const sha of [...pushed.flat(), ...acknowledged.map((answer) => answer.sha)]) {
      await client.git(folder, 'merge-base', '--is-ancestor', sha, 'origin/main');
    }
    await expectSound(client, repo);
  });

  it('does not stall commits to some branches by pushes to many', async () => {
    const repo = await hostRepo(server, alice, { init: true });
    const folder = await clone(client, repo.url);
    const branches = Array.from({ length: 10 }, (_, n) => `b${n}`);
    await client.git(folder, 'push', '-q', 'origin', ...branches.map((name) => `main:${name}`));
    const commitTo = (branch: string, n: number): ReturnType<TestAccount['post']> =>
      alice.post(`/v1/repos/${repo.slug}/commits`, {
        branch,
        message: 'Race',
        changes: [{ path: `${n}.txt`, content: `${n}\n` }],
      });
    const answers: Promise<{ status: number }>[] = [];
    for (let round = 0; round < 3; round += 1) {
      const head = await client.commit(folder, 'a.txt', `round ${round}\n`);
      answers.push(...branches.toReversed().map((branch) => commitTo(branch, round)));
      const forced = branches.map((name) => `+${head}:refs/heads/${name}`);
      await client.attempt(folder, ['push', '-q', 'origin', ...forced]);
    }
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(Array(30).fill(201));
    await expectSound(client, repo);
  });
});

/** Pushes three commits one by one, rebasing on whatever came in between, and answers what was acknowledged. */
async function pushPatiently(folder: string, name: string): Promise<string[]> {
  const pushed: string[] = [];
  for (let n = 0; n < 3; n += 1) {
    await client.commit(folder, `${name}-${n}.txt`, `${n}\n`);
    for (let tries = 0; ; tries += 1) {
      const { code, output } = await client.attempt(folder, ['push', '-q', 'origin', 'HEAD:main']);
      if (code === 0) break;
      if (tries > 30) throw new Error(`never got through: ${output}`);
      await client.git(folder, 'pull', '-q', '--rebase', 'origin', 'main');
    }
    pushed.push(await client.git(folder, 'rev-parse', 'HEAD'));
  }
  return pushed;
}

/** Sends the headers alone and the body only when told to go on. */
async function pushExpecting(
  url: string,
  body: Buffer,
  headers: Record<string, string>,
): Promise<{ continued: boolean; status: number | undefined }> {
  const call = request(`${url}/git-receive-pack`, {
    method: 'POST',
    headers: { ...headers, expect: '100-continue', 'content-length': body.length },
  });
  let continued = false;
  call.once('continue', () => {
    continued = true;
    call.end(body);
  });
  call.flushHeaders();
  const [response] = (await once(call, 'response')) as [{ statusCode?: number; resume(): void }];
  response.resume();
  call.destroy();
  return { continued, status: response.statusCode };
}
