import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Database } from '../../libs/platform/src/index.js';
import { type Checkout, runIn, startCheckout } from '../support/checkouts.js';
import { type Answer, type Client, createRepo, signUp, type TestAccount } from '../support/client.js';
import { startTestServer, type TestServer } from '../support/server.js';

let server: TestServer;
let alice: TestAccount;

beforeAll(async () => {
  server = await startTestServer({ PUBLIC_URL: 'https://roundhouse.test' });
  alice = await signUp(server);
});

afterAll(async () => {
  await server.close();
});

/** What a remote gave, then a branch with work on it: committed, staged, neither. */
const WORK = `
  git init -q -b main && mkdir -p src/deep && seq 1 30 > src/a.txt && echo old > gone.txt && seq 1 40 > moved.txt
  echo '{}' > package-lock.json && echo 'ignored/' > .gitignore && git add -A && git commit -qm base
  git update-ref refs/remotes/origin/main HEAD && git symbolic-ref refs/remotes/origin/HEAD refs/remotes/origin/main
  git switch -qc feature && echo committed >> src/a.txt && git commit -qam work
  echo staged >> src/a.txt && git add src/a.txt && echo unstaged >> src/a.txt
  git rm -q gone.txt && mv moved.txt "src/deep/moved to.txt"
  echo '{"changed":1}' > package-lock.json && printf 'a\\0b' > bin.dat && mkdir ignored && echo x > ignored/x
  printf 'nul behind the first 8000 bytes: %09000d\\0\\n' 1 > late.txt`;

const at = ({ id }: Checkout, path: string): string => `/api/sessions/${id}/${path}`;
const content = (checkout: Checkout, path: string, client: Client = alice): Promise<Answer> =>
  client.get(at(checkout, `files/content?path=${encodeURIComponent(path)}`));
const state = (id: string, value: string | null): Promise<unknown> =>
  server.app.get(Database).query('update sandbox set state = $2 where id = $1', [id, value]);

describe('the files of a checkout', () => {
  let checkout: Checkout;
  beforeAll(async () => {
    checkout = await startCheckout(server, alice);
    await checkout.run(WORK);
  });

  it('are those that git tracks or would, with their directories', async () => {
    const { status, body } = await alice.get(at(checkout, 'files'));
    expect(status).toBe(200);
    const { files } = body as { files: { value: string; display: string; isDirectory: boolean }[] };
    expect(files.map(({ display }) => display)).toEqual([
      '.gitignore',
      'bin.dat',
      'late.txt',
      'moved.txt',
      'package-lock.json',
      'src/',
      'src/a.txt',
      'src/deep/',
      'src/deep/moved to.txt',
    ]);
    expect(files).toContainEqual({ value: 'src/deep', display: 'src/deep/', isDirectory: true });
  });

  it('are all of them where there is no repository', async () => {
    const bare = await startCheckout(server, alice);
    await bare.run('mkdir d && touch a d/b');
    const { body } = await alice.get(at(bare, 'files'));
    expect((body as { files: { value: string }[] }).files.map(({ value }) => value)).toEqual(['a', 'd', 'd/b']);
    for (const path of ['diff', 'files'] as const)
      expect((await alice.get(at(bare, path))).status).toBe(path === 'files' ? 200 : 409);
    expect(await alice.get(at(bare, 'diff'))).toMatchObject({
      body: { code: 'no_repository', error: 'There is no git repository in the sandbox' },
    });
  });

  it('are read as text, also by a path with back-slashes', async () => {
    const answer = await content(checkout, 'src\\deep\\moved to.txt');
    expect(answer).toMatchObject({
      status: 200,
      body: { path: 'src/deep/moved to.txt', size: 111 },
    });
    expect((answer.body as { content: string }).content).toMatch(/^1\n2\n/);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    await checkout.run(': > empty.txt && printf "\\303\\244" > ä.txt');
    expect((await content(checkout, 'ä.txt')).body).toEqual({ path: 'ä.txt', content: 'ä', size: 2 });
    expect((await content(checkout, 'empty.txt')).body).toMatchObject({ content: '', size: 0 });
    await checkout.run('rm ä.txt empty.txt');
  });

  it.each<[string, number, string]>([
    ['/etc/passwd', 400, 'Invalid file path'],
    ['../x', 400, 'Invalid file path'],
    ['a/../../x', 400, 'Invalid file path'],
    ['..\\x', 400, 'Invalid file path'],
    ['a\0b', 400, 'Invalid file path'],
    ['', 400, 'Invalid file path'],
    ['x'.repeat(300), 400, 'Invalid file path'],
    ['src', 400, 'Path is a directory'],
    ['bin.dat', 400, 'File is not text'],
    ['missing.txt', 404, 'File not found'],
    ['src/a.txt/below', 404, 'File not found'],
  ])('are refused as %j with %i', async (path, status, error) => {
    expect(await content(checkout, path)).toMatchObject({ status, body: { status: 'error', error } });
  });

  it('are refused beyond 200 kB and when they are no UTF-8', async () => {
    await checkout.run('head -c 200000 /dev/zero | tr "\\0" a > most && head -c 200001 /dev/zero | tr "\\0" a > more');
    expect((await content(checkout, 'most')).status).toBe(200);
    expect(await content(checkout, 'more')).toMatchObject({ status: 413, body: { error: 'File is too large' } });
    await checkout.run('rm most more && printf "\\377\\376" > latin && mkfifo pipe');
    expect((await content(checkout, 'latin')).status).toBe(400);
    expect((await content(checkout, 'pipe')).status).toBe(400);
    await checkout.run('rm latin pipe');
  });

  it('follow links inside the sandbox and nowhere else', async () => {
    await checkout.run(`
      ln -s src/a.txt near && ln -s "$HOME/work/src/a.txt" absolute && echo home > ~/note && ln -s ../note up
      ln -s /etc/passwd etc && ln -s ../../../../../../../etc/hostname far && ln -s ../../OTHER other && ln -s loop loop`);
    const victim = await startCheckout(server, alice);
    await victim.run('echo secret > secret');
    await symlink(`../../${victim.id}/work/secret`, join(checkout.disk, 'work', 'neighbour'));
    await symlink(join(victim.disk, 'work/secret'), join(checkout.disk, 'work', 'host'));
    for (const path of ['near', 'absolute', 'up']) expect((await content(checkout, path)).status).toBe(200);
    for (const path of ['etc', 'far', 'other', 'loop', 'neighbour', 'host'])
      expect(await content(checkout, path)).toMatchObject({ status: 404, body: { error: 'File not found' } });
    await checkout.run('rm near absolute up etc far other loop neighbour host');
  });
});

interface DiffBody {
  readonly files: ({ readonly path: string; readonly diff: string; readonly localDiff?: string } & Record<
    string,
    unknown
  >)[];
  readonly summary: Record<string, number>;
  readonly baseRef: string;
}

describe('the diff of a checkout', () => {
  let checkout: Checkout;
  beforeAll(async () => {
    checkout = await startCheckout(server, alice);
    await checkout.run(WORK);
  });

  it('shows all work since the default branch was left', async () => {
    expect(await alice.get(at(checkout, 'diff/cached'))).toMatchObject({
      status: 404,
      body: { error: 'No cached diff available' },
    });
    const before = await checkout.run('git status --porcelain; git rev-parse HEAD; cksum .git/index');
    const { status, body } = await alice.get(at(checkout, 'diff'));
    expect(status).toBe(200);
    const { files, summary, baseRef } = body as DiffBody;
    expect(baseRef).toBe('origin/main');
    expect(files.map(({ path, status, stagingStatus }) => [path, status, stagingStatus])).toEqual([
      ['bin.dat', 'added', 'unstaged'],
      ['gone.txt', 'deleted', 'staged'],
      ['late.txt', 'added', 'unstaged'],
      ['package-lock.json', 'modified', 'unstaged'],
      ['src/a.txt', 'modified', 'partial'],
      ['src/deep/moved to.txt', 'renamed', 'unstaged'],
    ]);
    const file = (path: string): DiffBody['files'][number] => files.find((one) => one.path === path)!;
    expect(file('src/a.txt').diff).toContain('+committed\n+staged\n+unstaged\n');
    expect(file('src/a.txt').localDiff).toContain(' committed\n+staged\n+unstaged\n');
    expect(file('src/deep/moved to.txt')).toMatchObject({ oldPath: 'moved.txt', additions: 0, deletions: 0 });
    expect(file('package-lock.json')).toMatchObject({ generated: true, diff: '', additions: 1, deletions: 1 });
    expect(file('bin.dat')).toMatchObject({ binary: true, additions: 0 });
    expect(file('late.txt').diff).toContain('\ufffd');
    expect(summary).toEqual({ totalFiles: 6, totalAdditions: 5, totalDeletions: 2 });
    expect(await checkout.run('git status --porcelain; git rev-parse HEAD; cksum .git/index')).toBe(before);
  });

  it('is stored with its session and read without its sandbox', async () => {
    const { body: live } = await alice.get(at(checkout, 'diff'));
    const { body } = await alice.get(`/api/sessions/${checkout.id}`);
    expect((body as { session: object }).session).toMatchObject({
      linesAdded: 5,
      linesRemoved: 2,
      cachedDiff: live as object,
      cachedDiffUpdatedAt: expect.stringMatching(/Z$/) as string,
    });
    await state(checkout.id, 'hibernated');
    expect((await alice.get(at(checkout, 'diff'))).status).toBe(409);
    expect(await alice.get(at(checkout, 'diff/cached'))).toMatchObject({
      status: 200,
      body: { data: live as object, cachedAt: expect.stringMatching(/Z$/) as string, isStale: true },
    });
    await state(checkout.id, 'active');
  });

  it('is the same for those who ask at the same time', async () => {
    const answers = await Promise.all(Array.from({ length: 5 }, () => alice.get(at(checkout, 'diff'))));
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1);
  });

  it('compares with the last commit without a remote, and with nothing before the first', async () => {
    const fresh = await startCheckout(server, alice);
    await fresh.run('git init -q -b main && echo a > a');
    expect((await alice.get(at(fresh, 'diff'))).body).toMatchObject({
      baseRef: 'HEAD',
      files: [{ path: 'a', status: 'added', additions: 1 }],
    });
    await fresh.run('git add a && git commit -qm a && echo b >> a && git checkout -q --detach');
    expect((await alice.get(at(fresh, 'diff'))).body).toMatchObject({
      baseRef: 'HEAD',
      files: [{ path: 'a', status: 'modified', additions: 1, deletions: 0 }],
    });
  });

  it('keeps huge changes within bounds', async () => {
    const huge = await startCheckout(server, alice);
    await huge.run(`
      git init -q -b main && git commit -q --allow-empty -m base && git update-ref refs/remotes/origin/main HEAD
      seq 1 100000 > long.txt && head -c 3000000 /dev/urandom | base64 > giant.txt
      mkdir many && cd many && seq 1 2500 | split -l 1 -a 4 - f`);
    const { status, body } = await alice.get(at(huge, 'diff'));
    expect(status).toBe(200);
    const { files, summary } = body as DiffBody;
    expect(JSON.stringify(body).length).toBeLessThan(3_000_000);
    expect([files.length, summary['totalFiles']]).toEqual([2_000, 2_502]);
    expect(files.slice(0, 2)).toMatchObject([
      { path: 'giant.txt', binary: true },
      { path: 'long.txt', truncated: true, diff: '' },
    ]);
    expect((await alice.get(at(huge, 'files'))).body).toMatchObject({ files: { length: 2_503 } });
  });
});

it('of a repository of this server’s is compared with its default branch', async () => {
  const slug = await createRepo(alice, 'app');
  const changes = [{ path: 'a.txt', content: 'one\n' }];
  expect((await alice.post(`/v1/repos/${slug}/commits`, { branch: 'main', message: 'm', changes })).status).toBe(201);
  const cloneUrl = `https://roundhouse.test/${alice.slug}/${slug}.git`;
  const { body } = await alice.post('/api/sessions', { cloneUrl, isNewBranch: true });
  const { id } = (body as { session: { id: string } }).session;
  expect((await alice.post('/api/sandbox', { sessionId: id })).status).toBe(200);
  expect((await alice.get(`/api/sessions/${id}/diff`)).body).toMatchObject({ baseRef: 'origin/main', files: [] });
  await runIn(server, id, 'cd ~/work && echo two >> a.txt && git commit -qam two && echo new > new.txt');
  expect((await alice.get(`/api/sessions/${id}/diff`)).body).toMatchObject({
    baseRef: 'origin/main',
    files: [
      { path: 'a.txt', additions: 1, stagingStatus: 'staged' },
      { path: 'new.txt', status: 'added', stagingStatus: 'unstaged' },
    ],
  });
  expect((await alice.post('/api/git-status', { sessionId: id })).body).toMatchObject({
    branch: expect.stringMatching(/^[a-z0-9]{1,2}\/[0-9a-f]{8}$/) as string,
    hasUnpushedCommits: true,
    untrackedCount: 1,
  });
});
