import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { PeriodicTasks } from '#platform';
import { RepoStorage } from '../../libs/repos/src/repo-storage.js';
import { TAIL_WORDS } from '../../libs/repos/src/slugs.js';
import { createRepo, signUp, type Answer, type TestAccount } from '../support/client.js';
import { startOn, startTestServer, type TestServer } from '../support/server.js';
import { storedRepo, vanishing } from '../support/stored-repo.js';

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

const directoryOf = async (path: string): Promise<string> => (await storedRepo(server, ada, path)).directory;

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
    await vanishing(directory);
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
      for (const { status } of answers) expect([200, 201, 404]).toContain(status);
      await vanishing(directory);
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
    await server.app.get(PeriodicTasks).runNow('repos.sweep');
    expect([existsSync(old), existsSync(young), existsSync(kept)]).toEqual([false, true, true]);
    expect((await ada.get('/v1/repos/demo/commits')).status).toBe(200);
  });

  it('and quarantines of crashed pushes go from repositories nobody has touched for a day', async () => {
    await createRepo(ada, 'quiet');
    const directory = await directoryOf('quiet');
    const [old, young] = ['a', 'b'].map((digit) => join(directory, 'objects', `incoming-${digit.repeat(24)}`));
    const long = new Date(Date.now() - 25 * 3_600_000);
    for (const folder of [old!, young!]) await mkdir(join(folder, 'pack'), { recursive: true });
    for (const folder of [join(old!, 'pack'), old!, directory]) await utimes(folder, long, long);
    await server.app.get(PeriodicTasks).runNow('repos.sweep');
    expect([existsSync(old!), existsSync(young!)]).toEqual([false, true]);
    expect((await ada.get('/v1/repos/quiet/commits')).status).toBe(200);
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
    await server.app.get(PeriodicTasks).runNow('repos.sweep');
    expect(foreign.every(existsSync)).toBe(true);
  });
});
