import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { RefProjector } from '../../libs/repos/src/ref-projector.js';
import { RepoStorage } from '../../libs/repos/src/repo-storage.js';
import { SweeperJobs } from '../../libs/repos/src/repo-sweeper.jobs.js';
import { TAIL_WORDS } from '../../libs/repos/src/slugs.js';
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

const NAME_RULE = 'Use lowercase letters, numbers, hyphens. 1-100 chars.';
const ISO = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

const commit = (path: string, branch = 'main', file = 'a.txt'): Promise<Answer> =>
  ada.post(`/v1/repos/${path}/commits`, { branch, message: 'm', changes: [{ path: file, content: 'x' }] });

/** Directory of one of ada's repositories. */
async function directoryOf(path: string): Promise<string> {
  const { id } = (await ada.get(`/v1/repos/${path}`)).body;
  const [row] = await server.app
    .get(Database)
    .query<{ storageId: string }>('select storage_id as "storageId" from repo where id = $1', [id]);
  await server.app.get(RefProjector).catchUp(id);
  return server.app.get(RepoStorage).directoryOf(row!);
}

async function vanishes(path: string): Promise<void> {
  while (existsSync(path)) await setTimeout(10);
}

describe('creating a repository', () => {
  it('answers exactly what the contract lists', async () => {
    const answer = await ada.post('/v1/repos', { slug: 'demo' });
    expect(answer.status).toBe(201);
    expect(answer.body).toEqual({
      id: expect.stringMatching(/^[\w-]{21}$/),
      namespace: null,
      slug: 'demo',
      description: null,
      default_branch: 'main',
      visibility: 'private',
      is_template: false,
      git_url: `${server.url}/${ada.slug}/demo.git`,
      api_url: `${server.url}/v1/repos/demo`,
      created_at: ISO,
    });
  });

  it('takes every field, and ignores unknown ones', async () => {
    const answer = await ada.post('/v1/repos', {
      ...{ slug: 'x', namespace: 'team', description: 'd', default_branch: 'trunk', visibility: 'public' },
      ...{ is_template: true, init: false, auto_index: true, nonsense: { deep: [1] } },
    });
    expect(answer.body).toMatchObject({
      ...{ slug: 'x', namespace: 'team', description: 'd', default_branch: 'trunk', visibility: 'public' },
      ...{
        is_template: true,
        git_url: `${server.url}/${ada.slug}/team/x.git`,
        api_url: `${server.url}/v1/repos/team/x`,
      },
    });
    expect((await ada.get('/v1/repos/team/x/branches')).body.branches).toEqual([]);
  });

  it('makes one empty commit unless init is false', async () => {
    await createRepo(ada, 'with');
    await createRepo(ada, 'without', { init: false });
    const [only, ...others] = (await ada.get('/v1/repos/with/commits')).body.commits;
    expect(others).toEqual([]);
    expect(only).toMatchObject({ message: 'Initial commit', parents: [] });
    expect((await ada.get('/v1/repos/with')).body.is_empty).toBe(true);
    expect(await ada.get('/v1/repos/without/commits')).toMatchObject({ status: 404, body: { error: 'Ref not found' } });
    expect((await ada.get('/v1/repos/without')).body.is_empty).toBe(true);
  });

  it.each([
    [{}, 'slug is required'],
    [{ slug: null }, 'slug is required'],
    [{ slug: '' }, 'slug is required'],
    [{ slug: 7 }, 'slug is required'],
    [{ slug: 'Caps' }, `Invalid slug. ${NAME_RULE}`],
    [{ slug: '-a' }, `Invalid slug. ${NAME_RULE}`],
    [{ slug: 'a--b' }, `Invalid slug. ${NAME_RULE}`],
    [{ slug: 'a\0' }, `Invalid slug. ${NAME_RULE}`],
    [{ slug: 'x'.repeat(101) }, `Invalid slug. ${NAME_RULE}`],
    [{ slug: 'a', namespace: '' }, `Invalid namespace. ${NAME_RULE}`],
    [{ slug: 'a', namespace: 'N' }, `Invalid namespace. ${NAME_RULE}`],
    [{ slug: 'a', namespace: 7 }, `Invalid namespace. ${NAME_RULE}`],
    [{ slug: 'a', description: 'x'.repeat(501) }, 'Description must be at most 500 characters'],
    [{ slug: 'a', description: 'a\0' }, 'Description must not contain NUL'],
    [{ slug: 'a', description: 7 }, 'Description must be a string'],
    [{ slug: 'a', default_branch: 'bad name..' }, 'Invalid branch name'],
    [{ slug: 'a', default_branch: 'a\0' }, 'Invalid branch name'],
    [{ slug: 'a', default_branch: '' }, 'Invalid branch name'],
    [{ slug: 'a', default_branch: 7 }, 'Invalid branch name'],
    [{ slug: 'a', visibility: 'secret' }, "visibility must be 'public' or 'private'"],
    [{ slug: 'a', visibility: null }, "visibility must be 'public' or 'private'"],
    [{ slug: 'a', init: 'yes' }, 'init must be a boolean'],
    [{ slug: 'a', is_template: 1 }, 'is_template must be a boolean'],
  ])('refuses %j', async (body, error) => {
    const answer = await ada.post('/v1/repos', body as never);
    expect(answer).toMatchObject({ status: 400, body: { error, code: 'VALIDATION_ERROR' } });
    expect((await ada.get('/v1/repos')).body.repos).toEqual([]);
  });

  it.each(['{', '', '[]', 'null', '7', '"x"', '{"slug":"\ud800"}'])('refuses the body %j', async (raw) => {
    const answer = await ada.send('POST', '/v1/repos', Buffer.from(raw));
    expect(answer.status).toBe(400);
    expect(answer.body.code).toBe('VALIDATION_ERROR');
  });

  it('accepts a body of any content type', async () => {
    const answer = await ada.send('POST', '/v1/repos', Buffer.from('{"slug":"typed"}'), {
      'content-type': 'text/plain',
    });
    expect(answer.status).toBe(201);
  });

  it('reserves the words of routes inside a namespace only', async () => {
    for (const word of TAIL_WORDS) {
      const answer = await ada.post('/v1/repos', { slug: word, namespace: 'team' });
      expect(answer).toMatchObject({ status: 400, body: { code: 'VALIDATION_ERROR' } });
    }
    await createRepo(ada, 'commits');
    expect((await ada.get('/v1/repos/commits')).body.slug).toBe('commits');
    expect((await commit('commits')).status).toBe(201);
    expect((await ada.get('/v1/repos/commits/commits')).body.commits).toHaveLength(2);
  });

  it('refuses a taken address, and only that', async () => {
    await createRepo(ada, 'demo');
    expect(await ada.post('/v1/repos', { slug: 'demo' })).toMatchObject({
      status: 409,
      body: { error: 'A repository with this slug already exists', code: 'CONFLICT' },
    });
    await createRepo(ada, 'demo', { namespace: 'team' });
    await createRepo(await signUp(server), 'demo');
  });

  it.each([['one server'], ['two servers']])('lets one of many simultaneous creations win on %s', async (where) => {
    const other = where === 'two servers' ? await startOn(server.databaseUrl, server.dataDir) : server;
    try {
      const urls = [server.url, other.url];
      const answers = await Promise.all(
        Array.from({ length: 16 }, (_, index) =>
          fetch(`${urls[index % 2]}/v1/repos`, {
            method: 'POST',
            headers: { 'x-api-key': ada.key! },
            body: '{"slug":"race"}',
          }),
        ),
      );
      expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array<number>(15).fill(409)]);
      expect((await commit('race')).status).toBe(201);
    } finally {
      if (other !== server) await other.close();
    }
  });

  it('leaves no directory of a refused creation', async () => {
    const count = async (): Promise<number> =>
      (await readdir(join(server.dataDir, 'repos'), { recursive: true })).filter((name) => name.endsWith('.git'))
        .length;
    await createRepo(ada, 'demo');
    const before = await count();
    await Promise.all(Array.from({ length: 6 }, () => ada.post('/v1/repos', { slug: 'demo' })));
    expect(await count()).toBe(before);
  });
});

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

describe('one repository', () => {
  it('is shown with the members of the contract', async () => {
    await createRepo(ada, 'demo');
    await commit('demo');
    expect((await ada.get('/v1/repos/demo')).body).toEqual({
      ...{ id: expect.any(String), namespace: null, slug: 'demo', description: null, default_branch: 'main' },
      ...{
        visibility: 'private',
        is_template: false,
        forked_from: null,
        is_empty: false,
        created_at: ISO,
        updated_at: ISO,
      },
      ...{ git_url: `${server.url}/${ada.slug}/demo.git`, api_url: `${server.url}/v1/repos/demo` },
    });
  });

  it('is empty again when its last file goes, and when only other branches have files', async () => {
    await createRepo(ada, 'demo');
    await commit('demo');
    const gone = { branch: 'main', message: 'm', changes: [{ path: 'a.txt', action: 'delete' }] };
    expect((await ada.post('/v1/repos/demo/commits', gone)).status).toBe(201);
    expect((await ada.get('/v1/repos/demo')).body.is_empty).toBe(true);
    await createRepo(ada, 'other', { init: false });
    await commit('other', 'side');
    expect((await ada.get('/v1/repos/other')).body.is_empty).toBe(true);
  });

  it('is changed field by field', async () => {
    await createRepo(ada, 'demo', { description: 'before' });
    const answer = await ada.patch('/v1/repos/demo', { description: 'after', slug: 'no', namespace: 'no' });
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({
      ...{ id: expect.any(String), namespace: null, slug: 'demo', description: 'after', default_branch: 'main' },
      ...{ visibility: 'private', is_template: false, updated_at: ISO },
    });
    expect((await ada.patch('/v1/repos/demo', { visibility: 'public', is_template: true })).body).toMatchObject({
      ...{ description: 'after', visibility: 'public', is_template: true },
    });
    expect((await ada.patch('/v1/repos/demo', { description: null })).body.description).toBeNull();
  });

  it.each([
    [{}, 'No fields to update'],
    [{ slug: 'x' }, 'No fields to update'],
    [{ default_branch: null }, 'No fields to update'],
    [{ description: 'x'.repeat(501) }, 'Description must be at most 500 characters'],
    [{ description: 'a\0' }, 'Description must not contain NUL'],
    [{ visibility: null }, "visibility must be 'public' or 'private'"],
    [{ visibility: 'secret' }, "visibility must be 'public' or 'private'"],
    [{ default_branch: 'none' }, "Branch 'none' does not exist"],
    [{ default_branch: 'a\0' }, "Branch 'a\0' does not exist"],
    [{ default_branch: 7 }, 'default_branch must be a string'],
    [{ is_template: 'x' }, 'is_template must be a boolean'],
  ])('refuses the change %j', async (body, error) => {
    await createRepo(ada, 'demo');
    const before = (await ada.get('/v1/repos/demo')).body;
    const answer = await ada.patch('/v1/repos/demo', body as never);
    expect(answer).toMatchObject({ status: 400, body: { error, code: 'VALIDATION_ERROR' } });
    expect((await ada.get('/v1/repos/demo')).body).toEqual(before);
  });

  it('moves HEAD with its default branch, in the API and on disk', async () => {
    await createRepo(ada, 'demo', { default_branch: 'trunk' });
    expect(await readFile(join(await directoryOf('demo'), 'HEAD'), 'utf8')).toBe('ref: refs/heads/trunk\n');
    await ada.post('/v1/repos/demo/branches', { name: 'feature/next' });
    await commit('demo', 'feature/next');
    expect((await ada.patch('/v1/repos/demo', { default_branch: 'feature/next' })).body.default_branch).toBe(
      'feature/next',
    );
    expect(await readFile(join(await directoryOf('demo'), 'HEAD'), 'utf8')).toBe('ref: refs/heads/feature/next\n');
    expect((await ada.get('/v1/repos/demo/blob/HEAD/a.txt')).status).toBe(200);
    expect((await ada.delete('/v1/repos/demo/branches/trunk')).status).toBe(200);
    expect((await ada.delete('/v1/repos/demo/branches/feature/next')).status).toBe(400);
  });

  it('never ends with a default branch that was deleted meanwhile', async () => {
    await createRepo(ada, 'demo');
    for (let round = 0; round < 8; round += 1) {
      await ada.post('/v1/repos/demo/branches', { name: 'next' });
      const [patched, deleted] = await Promise.all([
        ada.patch('/v1/repos/demo', { default_branch: 'next' }),
        ada.delete('/v1/repos/demo/branches/next'),
      ]);
      expect([patched.status, deleted.status].sort()).toEqual([200, 400]);
      await ada.patch('/v1/repos/demo', { default_branch: 'main' });
      await ada.delete('/v1/repos/demo/branches/next');
    }
  });
});

describe('deleting a repository', () => {
  it('removes it at once for everyone, with its directory', async () => {
    await createRepo(ada, 'demo');
    await commit('demo');
    const directory = await directoryOf('demo');
    expect(existsSync(directory)).toBe(true);
    const answer = await ada.delete('/v1/repos/demo');
    expect(answer).toMatchObject({ status: 200, body: { deleted: true } });
    expect(await ada.delete('/v1/repos/demo')).toMatchObject({
      status: 404,
      body: { error: 'Repository not found', code: 'NOT_FOUND' },
    });
    expect((await ada.get('/v1/repos/demo/commits')).status).toBe(404);
    expect((await ada.get('/v1/repos')).body.repos).toEqual([]);
    await vanishes(directory);
  });

  it('frees the address for a repository that knows nothing of the old one', async () => {
    await createRepo(ada, 'demo');
    const { sha } = (await commit('demo')).body;
    await ada.post('/v1/repos/demo/branches', { name: 'old' });
    await ada.delete('/v1/repos/demo');
    await createRepo(ada, 'demo', { init: false });
    expect((await ada.get('/v1/repos/demo/branches')).body).toMatchObject({ branches: [], total: 0 });
    expect((await ada.get(`/v1/repos/demo/commits/${sha}`)).status).toBe(404);
    expect((await ada.get(`/v1/repos/demo/tree/${sha}`)).status).toBe(404);
    expect((await ada.get('/v1/repos/demo')).body.is_empty).toBe(true);
  });

  it('succeeds for one of many at once', async () => {
    await createRepo(ada, 'demo');
    const answers = await Promise.all(Array.from({ length: 6 }, () => ada.delete('/v1/repos/demo')));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 404, 404, 404, 404, 404]);
  });

  it('leaves nothing when it races creation and commits', async () => {
    for (let round = 0; round < 5; round += 1) {
      await createRepo(ada, 'demo');
      const directory = await directoryOf('demo');
      const answers = await Promise.all([
        commit('demo'),
        commit('demo', 'side'),
        ada.delete('/v1/repos/demo'),
        ada.post('/v1/repos/demo/branches', { name: 'b' }),
        commit('demo'),
        ada.patch('/v1/repos/demo', { description: 'x' }),
      ]);
      for (const { status, body } of answers)
        expect([status, body.error]).toEqual([expect.any(Number), status < 300 ? undefined : 'Repository not found']);
      await vanishes(directory);
      expect((await ada.get('/v1/repos/demo')).status).toBe(404);
    }
  });
});

describe('directories without a repository', () => {
  it('are removed when they are old, and only they', async () => {
    await createRepo(ada, 'demo');
    const kept = await directoryOf('demo');
    const storage = server.app.get(RepoStorage);
    const old = storage.directoryOf({ storageId: '11111111-1111-4111-8111-111111111111' });
    const young = storage.directoryOf({ storageId: '22222222-2222-4222-8222-222222222222' });
    for (const folder of [old, young]) await mkdir(join(folder, 'objects'), { recursive: true });
    const long = new Date(Date.now() - 25 * 3_600_000);
    for (const folder of [old, kept]) await utimes(folder, long, long);
    await server.app.get(SweeperJobs).process();
    expect([existsSync(old), existsSync(young), existsSync(kept)]).toEqual([false, true, true]);
    expect((await ada.get('/v1/repos/demo/commits')).status).toBe(200);
  });

  it('are kept when they look like those of another database', async () => {
    const storage = server.app.get(RepoStorage);
    const long = new Date(Date.now() - 25 * 3_600_000);
    const foreign = Array.from({ length: 60 }, (_, index) =>
      storage.directoryOf({ storageId: `33333333-3333-4333-8333-${String(index).padStart(12, '0')}` }),
    );
    for (const folder of foreign) {
      await mkdir(folder, { recursive: true });
      await utimes(folder, long, long);
    }
    await server.app.get(SweeperJobs).process();
    expect(foreign.every(existsSync)).toBe(true);
  });
});
