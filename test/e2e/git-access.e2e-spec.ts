import { request } from 'node:http';
import { once } from 'node:events';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Database } from '../../libs/platform/src/index.js';
import { GitRunner } from '../../libs/repos/src/index.js';
import { childrenOf, until } from '../../libs/repos/src/runner/testing/process-list.js';
import { admin, signUp, type TestAccount } from '../support/client.js';
import {
  clone,
  emptyWorkTree,
  GitClient,
  gitUrl,
  type HostedRepo,
  hostRepo,
  objectFiles,
  PROTOCOLS,
  refsOf,
  ZERO,
} from '../support/git.js';
import { basic, getGit, postGit, pushBody, wantRequests, type WireAnswer } from '../support/git-wire.js';
import { startTestServer, type TestServer } from '../support/server.js';

const UPLOAD = '/info/refs?service=git-upload-pack';
const RECEIVE = '/info/refs?service=git-receive-pack';

let server: TestServer;
let client: GitClient;
let alice: TestAccount;
let bob: TestAccount;

beforeAll(async () => {
  server = await startTestServer();
  client = new GitClient();
  alice = await signUp(server);
  bob = await signUp(server);
});

afterAll(async () => {
  await server.close();
  client.remove();
});

/** A further key of `owner` with these scopes only. */
async function keyWith(owner: TestAccount, scopes: string[]): Promise<string> {
  const { status, body } = await owner.post('/api/v1/auth/keys', { name: 'narrow', scopes });
  if (status !== 201) throw new Error(`minting a key answered ${status}: ${JSON.stringify(body)}`);
  return body.raw_key as string;
}

describe('who may clone and push', () => {
  let secret: HostedRepo;
  let open: HostedRepo;

  beforeAll(async () => {
    secret = await hostRepo(server, alice, { init: true });
    open = await hostRepo(server, alice, { init: true, visibility: 'public' });
  });

  it('asks callers without a valid credential for one, with an empty 401', async () => {
    const wrong = basic('rhu_wrong');
    for (const [url, headers] of [
      [secret.openUrl + UPLOAD, {}],
      [secret.openUrl + UPLOAD, wrong],
      [open.openUrl + RECEIVE, {}],
      [open.openUrl + RECEIVE, wrong],
      [gitUrl(server, alice.slug, 'no-such-repo', null) + UPLOAD, {}],
      [gitUrl(server, 'no-such-account', 'no-such-repo', null) + UPLOAD, {}],
    ] as const) {
      const answer = await getGit(url, headers);
      expect({ url, status: answer.status, text: answer.text }).toEqual({ url, status: 401, text: '' });
      expect(answer.headers.get('www-authenticate')).toMatch(/^Basic realm=/);
    }
    for (const service of ['git-upload-pack', 'git-receive-pack']) {
      const answer = await postGit(`${secret.openUrl}/${service}`, Buffer.from('0000'), {});
      expect({ service, status: answer.status, text: answer.text }).toEqual({ service, status: 401, text: '' });
    }
  });

  it('lets everybody read what is public, whatever they present, and only the owner write', async () => {
    for (const headers of [{}, basic('rhu_wrong'), basic(bob.key!), basic(alice.key!)]) {
      expect((await getGit(open.openUrl + UPLOAD, headers)).status).toBe(200);
    }
    await clone(client, open.openUrl);
    await clone(client, gitUrl(server, alice.slug, open.slug, bob.key));
    expect(await getGit(open.openUrl + RECEIVE, basic(bob.key!))).toMatchObject({
      status: 403,
      text: 'Token does not have write access to this repository',
    });
    const post = await postGit(`${open.openUrl}/git-receive-pack`, Buffer.from('0000'), basic(bob.key!));
    expect(post.status).toBe(403);
  });

  it('does not know private repositories of other accounts, nor its own under another name', async () => {
    for (const [account, key] of [
      [alice.slug, bob.key],
      [bob.slug, alice.key],
      ['no-such-account', alice.key],
    ] as const) {
      const url = gitUrl(server, account, secret.slug, null);
      for (const tail of [UPLOAD, RECEIVE]) {
        expect(await getGit(url + tail, basic(key!))).toMatchObject({ status: 404, text: 'Repository not found' });
      }
      for (const service of ['git-upload-pack', 'git-receive-pack']) {
        const answer = await postGit(`${url}/${service}`, Buffer.from('0000'), basic(key!));
        expect(answer).toMatchObject({ status: 404, text: 'Repository not found' });
      }
    }
    const { code, output } = await client.attempt('.', ['clone', gitUrl(server, alice.slug, secret.slug, bob.key)]);
    expect({ code, output }).toMatchObject({ code: 128, output: expect.stringContaining('Repository not found') });
  });

  it('holds keys to their scopes', async () => {
    const reader = basic(await keyWith(alice, ['repos:read']));
    const nothing = basic(await keyWith(alice, []));
    expect((await getGit(secret.openUrl + UPLOAD, reader)).status).toBe(200);
    const noWrite = { status: 403, text: 'Token does not have write access to this repository' };
    expect(await getGit(secret.openUrl + RECEIVE, reader)).toMatchObject(noWrite);
    expect(await postGit(`${secret.openUrl}/git-receive-pack`, Buffer.from('0000'), reader)).toMatchObject(noWrite);
    const noRead = { status: 403, text: 'Token does not have read access to this repository' };
    expect(await getGit(secret.openUrl + UPLOAD, nothing)).toMatchObject(noRead);
    expect(await postGit(`${secret.openUrl}/git-upload-pack`, Buffer.from('0000'), nothing)).toMatchObject(noRead);
  });

  it('answers addresses that are none in the right way', async () => {
    const key = basic(alice.key!);
    const bad = { status: 400, text: 'Invalid or missing service parameter' };
    expect(await getGit(`${secret.openUrl}/info/refs`, key)).toMatchObject(bad);
    expect(await getGit(`${secret.openUrl}/info/refs?service=git-upload-archive`, key)).toMatchObject(bad);
    for (const path of [
      `${secret.openUrl}/HEAD`,
      `${secret.openUrl}/objects/info/packs`,
      `${secret.openUrl}/info`,
      secret.openUrl.replace(/\.git$/, '') + UPLOAD,
      `${server.url}/v1/${secret.slug}.git${UPLOAD}`,
      `${server.url}/${alice.slug}/a%2Fb.git${UPLOAD}`,
    ]) {
      expect({ path, status: (await getGit(path, key)).status }).toEqual({ path, status: 404 });
    }
  });

  it('names the content types of contract 15.2', async () => {
    const key = basic(alice.key!);
    for (const service of ['git-upload-pack', 'git-receive-pack']) {
      const refs = await getGit(`${secret.openUrl}/info/refs?service=${service}`, key);
      expect(refs.headers.get('content-type')).toBe(`application/x-${service}-advertisement`);
      expect(refs.headers.get('cache-control')).toBe('no-cache');
      expect(
        refs.text.startsWith(`${(15 + service.length).toString(16).padStart(4, '0')}# service=${service}\n0000`),
      ).toBe(true);
      const answer = await postGit(`${secret.openUrl}/${service}`, Buffer.from('0000'), key);
      expect(answer).toMatchObject({ status: 200 });
      expect(answer.headers.get('content-type')).toBe(`application/x-${service}-result`);
    }
  });

  it('limits requests in the words of the surface', async () => {
    const carol = await signUp(server);
    const root = await admin(server);
    await root.put(`/api/v1/admin/users/${carol.userId}/tier`, { tier: 'free' });
    const repo = await hostRepo(server, carol, { init: true });
    const ask = (): Promise<WireAnswer> => getGit(repo.openUrl + UPLOAD, basic(carol.key!));
    // The new tier is in force within a second; after that the window may still roll over once in between.
    let answer = await ask();
    for (let asked = 0; answer.status === 200 && asked < 20_000; asked += 1) answer = await ask();
    expect(answer).toMatchObject({ status: 429, text: 'rate limit exceeded' });
    expect(answer.headers.get('x-ratelimit-limit')).toBe('600');
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  });
});

describe.each(PROTOCOLS)('what no ref leads to, with protocol version %s', (version) => {
  const protocol = ['-c', `protocol.version=${version}`];

  /** Asks for `oid` with the real client and by hand; both must be refused. */
  async function expectHidden(repo: HostedRepo, oid: string): Promise<void> {
    const folder = await clone(client, repo.url, ...protocol);
    const { code, output } = await client.attempt(folder, [...protocol, 'fetch', 'origin', oid]);
    expect({ code, output }).toMatchObject({ code: 128, output: expect.stringContaining('not our ref') });
    for (const { body, headers } of wantRequests(oid)) {
      const answer = await postGit(`${repo.openUrl}/git-upload-pack`, body, { ...basic(alice.key!), ...headers });
      expect(answer.text).toContain(`ERR upload-pack: not our ref ${oid}`);
      expect(answer.text).not.toContain('PACK');
    }
  }

  it('hides a secret that was force-pushed away: commit, tree and blob', async () => {
    const repo = await hostRepo(server, alice);
    const work = await emptyWorkTree(client, repo);
    const base = await client.commit(work, 'a.txt', 'one\n');
    const secret = await client.commit(work, 'secret.txt', `password ${version}\n`);
    await client.git(work, 'push', '-q', 'origin', 'main');
    expect(await client.git(await clone(client, repo.url, ...protocol), 'rev-parse', 'HEAD')).toBe(secret);
    await client.git(work, 'push', '-q', 'origin', `+${base}:main`);
    for (const name of [secret, `${secret}^{tree}`, `${secret}:secret.txt`]) {
      await expectHidden(repo, await client.git(work, 'rev-parse', name));
    }
  });

  it('hides what internal refs lead to, and the refs', async () => {
    const repo = await hostRepo(server, alice);
    const work = await emptyWorkTree(client, repo);
    const base = await client.commit(work, 'a.txt', 'one\n');
    const secret = await client.commit(work, 'secret.txt', `internal ${version}\n`);
    await client.git(work, 'push', '-q', 'origin', 'main');
    const db = server.app.get(Database);
    await db.query('insert into ref (repo_id, name, sha) values ($1, $2, $3)', [repo.id, 'refs/roundhouse/x', secret]);
    await client.git(work, 'push', '-q', 'origin', `+${base}:main`);
    const listed = await client.git('.', ...protocol, 'ls-remote', repo.url);
    expect(listed).not.toContain('roundhouse');
    expect(listed).not.toContain(secret);
    for (const name of [secret, `${secret}:secret.txt`])
      await expectHidden(repo, await client.git(work, 'rev-parse', name));
    const folder = await clone(client, repo.url, ...protocol);
    const args = [...protocol, 'fetch', '--shallow-exclude=refs/roundhouse/x', 'origin'];
    expect((await client.attempt(folder, args)).output).toContain('deepen-not refs/roundhouse/x is not a ref');
  });

  it('hides what a refused push brought', async () => {
    const repo = await hostRepo(server, alice);
    const work = await emptyWorkTree(client, repo);
    const base = await client.commit(work, 'a.txt', 'one\n');
    await client.git(work, 'push', '-q', 'origin', 'main');
    const refused = await client.commit(work, 'secret.txt', `refused ${version}\n`);
    const pack = client.binary(work, ['pack-objects', '--stdout', '--revs', '-q'], `${refused}\n^${base}\n`);
    const body = pushBody([{ old: base, new: refused, ref: 'refs/x' }], pack);
    expect((await postGit(`${repo.openUrl}/git-receive-pack`, body, basic(alice.key!))).text).toContain('ng refs/x');
    for (const name of [refused, `${refused}:secret.txt`])
      await expectHidden(repo, await client.git(work, 'rev-parse', name));
  });
});

describe('a client that leaves', () => {
  const pid = (): number => server.app.get(GitRunner).pid!;

  it('in the middle of a clone stops git', async () => {
    const repo = await hostRepo(server, alice);
    const work = await emptyWorkTree(client, repo);
    writeFileSync(join(client.path(work), 'noise.bin'), randomBytes(16 * 1024 * 1024));
    const head = await client.commit(work, 'a.txt', 'one\n');
    await client.git(work, 'push', '-q', 'origin', 'main');
    const { body } = wantRequests(head)[0]!;
    const call = request(`${repo.openUrl}/git-upload-pack`, { method: 'POST', headers: basic(alice.key!) });
    call.end(body);
    const [response] = (await once(call, 'response')) as [NodeJS.ReadableStream];
    await once(response, 'readable');
    expect(childrenOf(pid())).not.toEqual([]);
    call.destroy();
    await until('git is gone', () => childrenOf(pid()).length === 0);
  });

  it('in the middle of a push leaves neither git nor a quarantine', async () => {
    const repo = await hostRepo(server, alice);
    const work = await emptyWorkTree(client, repo);
    writeFileSync(join(client.path(work), 'noise.bin'), randomBytes(2 * 1024 * 1024));
    const head = await client.commit(work, 'a.txt', 'one\n');
    const pack = client.binary(work, ['pack-objects', '--stdout', '--revs', '-q'], 'main\n');
    const before = objectFiles(repo);
    const call = request(`${repo.openUrl}/git-receive-pack`, { method: 'POST', headers: basic(alice.key!) });
    call.on('error', () => undefined);
    call.write(pushBody([{ old: ZERO, new: head, ref: 'refs/heads/main' }], pack.subarray(0, 1024 * 1024)));
    await until('the quarantine is there', () => objectFiles(repo).length > before.length);
    call.destroy();
    await until('git is gone', () => childrenOf(pid()).length === 0);
    await until('the quarantine is gone', () => objectFiles(repo).length === before.length);
    expect(await refsOf(server, repo)).toEqual([]);
  });
});
