import { Client, createRepo, signUp, type Answer, type TestAccount } from '../support/client.js';
import { type Route, RouteTable } from '../../libs/platform/src/index.js';
import { startTestServer, type TestServer } from '../support/server.js';
import { storedRepo, tableRefs } from '../support/stored-repo.js';

let server: TestServer;
let ada: TestAccount;
let bob: TestAccount;
let sha: string;
let tree: string;
let blob: string;
const SECRET = 'the secret of ada';

beforeAll(async () => {
  server = await startTestServer();
  [ada, bob] = [await signUp(server), await signUp(server)];
  await createRepo(ada, 'private');
  await createRepo(ada, 'private', { namespace: 'team' });
  const commit = await ada.post('/v1/repos/private/commits', {
    branch: 'main',
    message: SECRET,
    changes: [{ path: 'secret.txt', content: SECRET }],
  });
  [sha, tree] = [commit.body.sha, commit.body.tree_sha];
  blob = (await ada.get('/v1/repos/private/blob/main/secret.txt')).body.sha;
  await createRepo(bob, 'own');
});

afterAll(async () => {
  await server.close();
});

/** Every route of a repository over REST, whatever it is called; a new one is tested without being listed here. */
function repoRoutes(): Route[] {
  return server.app
    .get(RouteTable)
    .routes()
    .filter(({ path }) => path.startsWith('/v1/repos/:slug'));
}

/** A request to `route` of ada's repository that would succeed or at least reach it if it were the caller's own. */
function pathsOf(route: Route, address: string): string[] {
  const tail = route.path.slice('/v1/repos/:slug'.length);
  const rests = tail.includes('*rest') ? ['main/secret.txt', `${sha}/secret.txt`] : [''];
  return rests.map((rest) =>
    `/v1/repos/${address}${tail}`
      .replace('*rest', rest)
      .replace('*ref', 'heads/main')
      .replace('*name', 'main')
      .replace(/:sha\b/, sha)
      .replace(/:\w+/g, 'main'),
  );
}

const BODY = {
  ...{ branch: 'main', message: 'm', changes: [{ path: 'x', content: 'x' }], name: 'new', paths: ['secret.txt'] },
  ...{ description: 'taken over', visibility: 'public' },
};

async function ask(client: Client, { method }: Route, path: string): Promise<Answer> {
  return client.send(method, path, ['GET', 'DELETE', 'HEAD'].includes(method) ? undefined : { ...BODY, sha });
}

describe("another account's repository", () => {
  it('answers 404 on every route, in both forms of its address, and is not changed', async () => {
    const repo = await storedRepo(server, ada, 'private');
    const before = [await tableRefs(server, repo), (await ada.get('/v1/repos/private')).body];
    const routes = repoRoutes();
    expect(routes.length).toBeGreaterThanOrEqual(18);
    for (const route of routes) {
      for (const address of ['private', 'team/private']) {
        for (const path of pathsOf(route, address)) {
          const answer = await ask(bob, route, path);
          expect([route.method, path, answer.status, answer.body]).toEqual([
            route.method,
            path,
            404,
            { error: 'Repository not found', code: 'NOT_FOUND' },
          ]);
        }
      }
    }
    expect([await tableRefs(server, repo), (await ada.get('/v1/repos/private')).body]).toEqual(before);
  });

  it('answers like one that does not exist', async () => {
    for (const route of repoRoutes()) {
      const [taken] = pathsOf(route, 'private');
      const [free] = pathsOf(route, 'no-such-repo');
      const [one, other] = [await ask(bob, route, taken!), await ask(bob, route, free!)];
      expect([one.status, one.body]).toEqual([other.status, other.body]);
    }
  });

  it('is closed on every route to callers without a key', async () => {
    const nobody = new Client(server.url, null);
    for (const route of repoRoutes()) {
      for (const path of pathsOf(route, 'private')) {
        expect([path, (await ask(nobody, route, path)).status]).toEqual([path, 401]);
      }
    }
  });

  it('is in no list', async () => {
    const { body } = await bob.get('/v1/repos?limit=100');
    expect(body.repos.map((repo: { slug: string }) => repo.slug)).toEqual(['own']);
  });

  it('stays closed over REST when it is public', async () => {
    await createRepo(ada, 'open', { visibility: 'public' });
    expect((await bob.get('/v1/repos/open')).status).toBe(404);
  });

  it('leaves its name free for others', async () => {
    await createRepo(bob, 'private');
    expect((await bob.get('/v1/repos/private/commits')).body.commits).toHaveLength(1);
    expect((await bob.delete('/v1/repos/private')).status).toBe(200);
    expect((await ada.get('/v1/repos/private')).status).toBe(200);
  });
});

describe('objects of another account', () => {
  it('cannot be read by their ids through a repository of one’s own', async () => {
    for (const id of [sha, sha.slice(0, 10), sha.toUpperCase()]) {
      expect(await bob.get(`/v1/repos/own/commits/${id}`)).toMatchObject({
        status: 404,
        body: { error: 'Commit not found' },
      });
    }
    for (const id of [sha, tree, blob]) {
      for (const tail of [`tree/${id}`, `blob/${id}/secret.txt`, `raw/${id}/secret.txt`, `commits?ref=${id}`]) {
        expect([tail, (await bob.get(`/v1/repos/own/${tail}`)).status]).toEqual([tail, 404]);
      }
      expect((await bob.post('/v1/repos/own/blobs/batch', { ref: id, paths: ['secret.txt'] })).status).toBe(404);
    }
    expect(await bob.get(`/v1/repos/own/commits?cursor=${sha}`)).toMatchObject({
      status: 400,
      body: { error: 'Cursor commit not found' },
    });
  });

  it('cannot be built upon or pointed at', async () => {
    const own = await storedRepo(server, bob, 'own');
    const before = await tableRefs(server, own);
    const commit = (parent_sha: string): Promise<Answer> =>
      bob.post('/v1/repos/own/commits', { ...BODY, branch: 'stolen', parent_sha });
    expect((await commit(sha)).status).toBe(404);
    expect((await bob.post('/v1/repos/own/branches', { name: 'stolen', from_sha: sha })).status).toBe(404);
    for (const id of [sha, tree, blob]) {
      for (const ref of ['heads/stolen', 'tags/stolen']) {
        expect((await bob.put(`/v1/repos/own/refs/${ref}`, { sha: id })).status).toBe(404);
      }
    }
    expect(await tableRefs(server, own)).toEqual(before);
  });

  it('do not show in what they would deduplicate: equal content is each account’s own', async () => {
    await bob.post('/v1/repos/own/commits', {
      ...{ branch: 'main', message: 'm', changes: [{ path: 'same', content: SECRET }] },
    });
    expect((await bob.get('/v1/repos/own/blob/main/same')).body.sha).toBe(blob);
    expect((await bob.get(`/v1/repos/own/commits/${sha}`)).status).toBe(404);
  });

  it('do not survive in a repository that takes the place of a deleted one', async () => {
    await createRepo(bob, 'again');
    const old = await bob.post('/v1/repos/again/commits', BODY);
    await bob.delete('/v1/repos/again');
    await createRepo(bob, 'again');
    expect((await bob.get(`/v1/repos/again/commits/${old.body.sha}`)).status).toBe(404);
    expect((await bob.get(`/v1/repos/again/tree/${old.body.sha}`)).status).toBe(404);
    expect((await bob.post('/v1/repos/again/branches', { name: 'x', from_sha: old.body.sha })).status).toBe(404);
  });
});
