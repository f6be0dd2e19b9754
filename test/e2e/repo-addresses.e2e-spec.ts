import { Database } from '../../libs/platform/src/index.js';
import { createRepo, signUp, type Answer, type TestAccount } from '../support/client.js';
import { startOn, startTestServer, type TestServer } from '../support/server.js';

let server: TestServer;
let ada: TestAccount;

beforeAll(async () => {
  server = await startTestServer();
});

afterAll(async () => {
  await server.close();
});

beforeEach(async () => {
  ada = await signUp(server);
});

const ISO = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

const commit = (path: string, branch = 'main', file = 'a.txt'): Promise<Answer> =>
  ada.post(`/v1/repos/${path}/commits`, { branch, message: 'm', changes: [{ path: file, content: 'x' }] });

describe('addresses', () => {
  it('reach a repository with its namespace and only so', async () => {
    await createRepo(ada, 'app', { namespace: 'team' });
    await createRepo(ada, 'lone');
    expect((await commit('team/app')).status).toBe(201);
    for (const tail of ['', '/commits', '/branches', '/refs', '/tree', '/tree/main', '/blob/main/a.txt']) {
      expect((await ada.get(`/v1/repos/team/app${tail}`)).status).toBe(200);
    }
    expect((await ada.get('/v1/repos/app')).status).toBe(404);
    expect((await ada.get('/v1/repos/team/lone')).status).toBe(404);
    expect((await ada.get('/v1/repos/team')).status).toBe(404);
  });

  it.each(['/v1/repos/', '/v1/repos/demo/', '/v1/repos/team/app/', '/v1/repos/demo/commits/', '/v1/repos//demo'])(
    'are not normalised: %s',
    async (path) => {
      await createRepo(ada, 'demo');
      await createRepo(ada, 'app', { namespace: 'team' });
      expect(await ada.get(path)).toMatchObject({ status: 404, body: { error: 'Not found', code: 'NOT_FOUND' } });
    },
  );

  it.each(['%', '%zz', 'demo/tree/%', '%00', 'demo/blob/main/a%00b', '%ff'])(
    'refuse the stray percent in %s',
    async (path) => {
      expect(await ada.get(`/v1/repos/${path}`)).toMatchObject({ status: 400, body: { code: 'VALIDATION_ERROR' } });
    },
  );

  it.each(['a%2Fb', 'a%2F..%2Fb', '..%2f..', 'x'.repeat(101), '%F0%9F%A6%8A', "';select 1"])(
    'find nothing under %s',
    async (slug) => {
      expect(await ada.get(`/v1/repos/${slug}`)).toMatchObject({ status: 404 });
    },
  );

  it.each([
    ['PUT', '/v1/repos'],
    ['POST', '/v1/repos/demo'],
    ['DELETE', '/v1/repos'],
    ['GET', '/v1/repos/demo/nonsense/more'],
    ['PUT', '/v1/repos/demo/commits'],
  ])('know no other method or tail: %s %s', async (method, path) => {
    await createRepo(ada, 'demo');
    const answer = await ada.send(method, path, method === 'GET' ? undefined : {});
    expect(answer).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } });
    expect(answer.headers.get('allow')).toBeNull();
  });
});

describe('listing repositories', () => {
  const slugs = (answer: Answer): string[] => answer.body.repos.map((repo: { slug: string }) => repo.slug);

  it('shows the newest update first, each with the members of the contract', async () => {
    for (const slug of ['one', 'two', 'three']) await createRepo(ada, slug);
    await ada.patch('/v1/repos/one', { description: 'touched' });
    const answer = await ada.get('/v1/repos');
    expect(slugs(answer)).toEqual(['one', 'three', 'two']);
    expect(answer.body).toMatchObject({ limit: 50, offset: 0, next_cursor: null });
    expect(answer.body.repos[0]).toEqual({
      ...{ id: expect.any(String), namespace: null, slug: 'one', description: 'touched', default_branch: 'main' },
      ...{ visibility: 'private', is_template: false, forked_from: null, created_at: ISO, updated_at: ISO },
    });
  });

  it('does not move a repository for a commit', async () => {
    await createRepo(ada, 'one');
    await createRepo(ada, 'two');
    await commit('one');
    expect(slugs(await ada.get('/v1/repos'))).toEqual(['two', 'one']);
  });

  it('pages by cursor over everything exactly once, also when rows share a millisecond', async () => {
    await Promise.all(Array.from({ length: 23 }, (_, index) => createRepo(ada, `r${index}`)));
    await server.app
      .get(Database)
      .query(`update repo set updated_at = '2026-01-01T00:00:00.123456Z' where slug < 'r2'`);
    const seen: string[] = [];
    let cursor = '';
    do {
      const page = await ada.get(`/v1/repos?limit=5${cursor}`);
      if (cursor !== '') expect(page.body).not.toHaveProperty('offset');
      expect(page.body.limit).toBe(5);
      seen.push(...slugs(page));
      cursor = page.body.next_cursor === null ? '' : `&cursor=${encodeURIComponent(page.body.next_cursor)}`;
    } while (cursor !== '');
    expect(seen).toHaveLength(23);
    expect(new Set(seen).size).toBe(23);
  });

  it('pages by offset', async () => {
    for (const slug of ['one', 'two', 'three']) await createRepo(ada, slug);
    const page = await ada.get('/v1/repos?limit=1&offset=1');
    expect(slugs(page)).toEqual(['two']);
    expect(page.body.offset).toBe(1);
    expect(slugs(await ada.get('/v1/repos?offset=99'))).toEqual([]);
  });

  it.each([
    ['limit=0', 1],
    ['limit=-5', 1],
    ['limit=1000', 100],
    ['limit=nonsense', 50],
    ['limit=', 50],
    ['limit=7.9', 7],
    ['limit=1e99', 1],
    ['offset=-1', 50],
    ['offset=nonsense', 50],
    ['offset=99999999999999999999', 50],
  ])('clamps %s', async (query, limit) => {
    await createRepo(ada, 'one');
    expect(await ada.get(`/v1/repos?${query}`)).toMatchObject({ status: 200, body: { limit } });
  });

  it.each(
    [
      ...['nonsense', '!!!', '\0'],
      ...['|', 'x|y', '2026-01-01T00:00:00.000Z|', '2026-02-30T00:00:00.000Z|abc', '0000-01-01T00:00:00.000Z|abc'],
      ...[
        '2026-01-01T00:00:00.000Z|a\0',
        `2026-01-01T00:00:00.000Z|${'a'.repeat(65)}`,
        '+275760-09-13T00:00:00.000Z|a',
      ],
    ].map((text, index) => (index < 3 ? text : Buffer.from(text).toString('base64'))),
  )('refuses the cursor %j', async (cursor) => {
    expect(await ada.get(`/v1/repos?cursor=${encodeURIComponent(cursor)}`)).toMatchObject({
      status: 400,
      body: { error: 'Invalid cursor', code: 'VALIDATION_ERROR' },
    });
  });

  it('filters by namespace and by template', async () => {
    await createRepo(ada, 'a', { namespace: 'team' });
    await createRepo(ada, 'b', { is_template: true });
    expect(slugs(await ada.get('/v1/repos?namespace=team'))).toEqual(['a']);
    expect(slugs(await ada.get('/v1/repos?namespace=none'))).toEqual([]);
    expect(slugs(await ada.get('/v1/repos?is_template=true'))).toEqual(['b']);
    expect(slugs(await ada.get('/v1/repos?is_template=false'))).toEqual(['b', 'a']);
    expect((await ada.get('/v1/repos?namespace=%00')).status).toBe(400);
  });

  it('is never stale, on this node or another', async () => {
    const other = await startOn(server.databaseUrl, server.dataDir);
    try {
      for (let round = 0; round < 5; round += 1) {
        await createRepo(ada, `fresh${round}`);
        for (const url of [server.url, other.url]) {
          const answer = await fetch(`${url}/v1/repos`, { headers: { 'x-api-key': ada.key! } });
          expect(((await answer.json()) as { repos: unknown[] }).repos).toHaveLength(round + 1);
        }
      }
    } finally {
      await other.close();
    }
  });
});
