import { Client, createRepo, signUp, type Answer, type TestAccount } from '../support/client.js';
import { startOn, startTestServer, type TestServer } from '../support/server.js';
import { expectSound, git, packCount, storedRepo, vanishing } from '../support/stored-repo.js';

let server: TestServer;
let other: TestServer;
let ada: TestAccount;
let repos = 0;
let slug: string;

beforeAll(async () => {
  server = await startTestServer();
  other = await startOn(server.databaseUrl, server.dataDir);
  ada = await signUp(server);
});

afterAll(async () => {
  await other.close();
  await server.close();
});

beforeEach(async () => {
  slug = await createRepo(ada, `repo-${(repos += 1)}`);
});

/** Ada on one of `servers`, taking turns. */
function turn(index: number, servers: readonly TestServer[]): Client {
  return new Client(servers[index % servers.length]!.url, ada.key);
}

function write(client: Client, path: string, more: Record<string, string> = {}, repo = slug): Promise<Answer> {
  return client.post(`/v1/repos/${repo}/commits`, {
    branch: 'main',
    message: path,
    changes: [{ path, content: `${path}\n` }],
    ...more,
  });
}

const statuses = (answers: readonly Answer[]): number[] => answers.map(({ status }) => status).sort();

async function names(branch = 'main'): Promise<string[]> {
  return (await git(await storedRepo(server, ada, slug), 'ls-tree', '-r', '--name-only', branch)).split('\n').sort();
}

async function headOf(branch = 'main'): Promise<string> {
  return (await ada.get(`/v1/repos/${slug}/branches/${branch}`)).body.sha as string;
}

const WHERE: [string, () => TestServer[]][] = [
  ['one server', () => [server]],
  ['two servers', () => [server, other]],
];

describe.each(WHERE)('writers on %s', (_, servers) => {
  it('with the same parent_sha: exactly one wins, the others learn the new head', async () => {
    for (let round = 0; round < 10; round += 1) {
      const parent_sha = await headOf();
      const answers = await Promise.all(
        Array.from({ length: 4 }, (__, index) => write(turn(index, servers()), `r${round}-${index}`, { parent_sha })),
      );
      expect(statuses(answers)).toEqual([201, 409, 409, 409]);
      const current = await headOf();
      expect(answers.find(({ status }) => status === 201)?.body.sha).toBe(current);
      for (const { status, body } of answers) if (status === 409) expect(body.current_sha).toBe(current);
    }
    expect((await names()).length).toBe(10);
    await expectSound(server, await storedRepo(server, ada, slug));
  });

  it.each([
    ['that exists', true],
    ['that does not exist yet', false],
  ])('50 at once on a branch %s: nobody fails, nothing is lost, history is linear', async (__, init) => {
    slug = await createRepo(ada, `fifty-${(repos += 1)}`, { init });
    const paths = Array.from({ length: 50 }, (___, index) => `d${index % 7}/f${index}`);
    const answers = await Promise.all(paths.map((path, index) => write(turn(index, servers()), path)));
    expect(statuses(answers)).toEqual(Array(50).fill(201));
    const repo = await storedRepo(server, ada, slug);
    expect(await names()).toEqual(paths.sort());
    const commits = (await git(repo, 'rev-list', '--parents', 'main')).split('\n').map((line) => line.split(' '));
    const own = init ? 51 : 50;
    expect(commits.map(({ length }) => length)).toEqual([...Array<number>(own - 1).fill(2), 1]);
    expect(new Set(answers.map(({ body }) => body.sha)).size).toBe(50);
    const made = commits.map(([sha]) => sha);
    expect(answers.every(({ body }) => made.includes(body.sha))).toBe(true);
    expect(packCount(repo)).toBeLessThanOrEqual(2 * own);
    await expectSound(server, repo);
  });

  it('that never stop: every acknowledged commit stays', async () => {
    const [acknowledged, repoSlug]: [string[], string] = [[], slug];
    const writers = Array.from({ length: 6 }, async (__, writer) => {
      for (let round = 0; round < 12; round += 1) {
        const { status, body } = await write(turn(writer, servers()), `w${writer}/f${round}`, {}, repoSlug);
        expect([status, body.error]).toEqual([201, undefined]);
        acknowledged.push(body.sha as string);
      }
    });
    await Promise.all(writers);
    const repo = await storedRepo(server, ada, slug);
    const history = (await git(repo, 'rev-list', '--first-parent', 'main')).split('\n');
    expect(acknowledged.filter((sha) => !history.includes(sha))).toEqual([]);
    expect(history).toHaveLength(6 * 12 + 1);
    expect(await names()).toHaveLength(6 * 12);
    await expectSound(server, repo);
  });

  it('of one path: each commit that was acknowledged is in the history, with its content', async () => {
    const answers = await Promise.all(
      Array.from({ length: 16 }, (__, index) =>
        turn(index, servers()).post(`/v1/repos/${slug}/commits`, {
          branch: 'main',
          message: 'same',
          changes: [{ path: 'same', content: `writer ${index}` }],
        }),
      ),
    );
    expect(answers.every(({ status }) => status === 201 || status === 409)).toBe(true);
    const repo = await storedRepo(server, ada, slug);
    const history = (await git(repo, 'rev-list', 'main')).split('\n');
    for (const [index, { status, body }] of answers.entries()) {
      if (status === 409) {
        expect(body).toMatchObject({ error: 'Concurrent branch update. Retry.', current_sha: expect.any(String) });
        continue;
      }
      expect(history).toContain(body.sha);
      expect(await git(repo, 'show', `${body.sha}:same`)).toBe(`writer ${index}`);
    }
    expect(history).toHaveLength(1 + answers.filter(({ status }) => status === 201).length);
    await expectSound(server, repo);
  });

  it('of edits on one file: none is lost silently', async () => {
    const lines = Array.from({ length: 12 }, (__, index) => `line ${index}`);
    await ada.post(`/v1/repos/${slug}/commits`, {
      ...{ branch: 'main', message: 'm', changes: [{ path: 'list', content: lines.join('\n') }] },
    });
    const answers = await Promise.all(
      lines.map((line, index) =>
        turn(index, servers()).post(`/v1/repos/${slug}/commits`, {
          branch: 'main',
          message: line,
          changes: [
            {
              path: 'list',
              action: 'edit',
              edits: [
                {
                  old_string: `${line}${index === 11 ? '' : '\n'}`,
                  new_string: `done ${index}${index === 11 ? '' : '\n'}`,
                },
              ],
            },
          ],
        }),
      ),
    );
    const { content } = (await ada.get(`/v1/repos/${slug}/blob/main/list`)).body;
    const left = lines.map((line, index) => (answers[index]!.status === 201 ? `done ${index}` : line));
    expect(content).toBe(left.join('\n'));
    expect(answers.every(({ status }) => status === 201 || status === 409)).toBe(true);
  });

  it('on many branches and repositories do not disturb each other', async () => {
    const slugs = [slug, ...(await Promise.all([1, 2, 3].map((n) => createRepo(ada, `many-${(repos += 1)}-${n}`))))];
    const jobs = slugs.flatMap((repo) => ['main', 'a', 'b/c'].map((branch) => ({ repo, branch })));
    const answers = await Promise.all(
      jobs.flatMap(({ repo, branch }, job) =>
        Array.from({ length: 4 }, (__, index) => write(turn(job + index, servers()), `f${index}`, { branch }, repo)),
      ),
    );
    expect(statuses(answers)).toEqual(Array(jobs.length * 4).fill(201));
    for (const repo of slugs) {
      const stored = await storedRepo(server, ada, repo);
      expect(await git(stored, 'rev-list', '--count', 'main')).toBe('5');
      expect(await git(stored, 'rev-list', '--count', 'b/c')).toBe('4');
      await expectSound(server, stored);
    }
  });

  it('against a deletion of their branch: it is gone, or began anew, but never half there', async () => {
    for (let round = 0; round < 6; round += 1) {
      await write(ada, 'first', { branch: 'side' });
      const [one, two, gone] = await Promise.all([
        write(turn(0, servers()), 'one', { branch: 'side' }),
        write(turn(1, servers()), 'two', { branch: 'side' }),
        turn(1, servers()).delete(`/v1/repos/${slug}/branches/side`),
      ]);
      expect([200]).toContain(gone.status);
      for (const { status } of [one, two]) expect([201, 409]).toContain(status);
      const after = await ada.get(`/v1/repos/${slug}/branches/side`);
      expect([200, 404]).toContain(after.status);
      await expectSound(server, await storedRepo(server, ada, slug));
      if (after.status === 200) await ada.delete(`/v1/repos/${slug}/branches/side`);
    }
  });

  it('against a deletion of their repository: 201 before it, 404 after it, and nothing stays', async () => {
    for (let round = 0; round < 4; round += 1) {
      const repo = await createRepo(ada, `doomed-${(repos += 1)}`);
      const { directory } = await storedRepo(server, ada, repo);
      const answers = await Promise.all([
        ...Array.from({ length: 6 }, (__, index) => write(turn(index, servers()), `f${index}`, {}, repo)),
        turn(1, servers()).delete(`/v1/repos/${repo}`),
        ...Array.from({ length: 6 }, (__, index) => write(turn(index, servers()), `g${index}`, {}, repo)),
      ]);
      // A writer that had seen the branch and finds it gone may also be told that it changed under him.
      for (const { status } of answers) expect([200, 201, 404, 409]).toContain(status);
      expect((await ada.get(`/v1/repos/${repo}`)).status).toBe(404);
      await vanishing(directory);
    }
  });
});
