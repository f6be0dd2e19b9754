import { randomBytes } from 'node:crypto';
import { cp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { git } from '../crash/git.js';
import { SmallDisk, smallDiskRefusal } from '../crash/small-disk.js';
import { createRepo, signUp, type TestAccount } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

const refusal = smallDiskRefusal();
if (refusal !== null) process.stdout.write(`full disk: not tested, no file system can be mounted here: ${refusal}\n`);

(refusal === null ? describe : describe.skip)('a full disk', () => {
  let database: TestDatabase;
  let disk: SmallDisk;
  let alice: TestAccount;

  beforeAll(async () => {
    database = await createTestDatabase();
    disk = new SmallDisk(database.url);
    if (!(await disk.server.ready())) throw new Error(disk.server.output);
    alice = await signUp(disk.server);
    await createRepo(alice, 'demo');
    expect((await commit('first.txt', 'first')).status).toBe(201);
  }, 90_000);

  afterAll(async () => {
    await disk.close();
    await database.drop();
  });

  const commit = (path: string, content: string) =>
    alice.post('/v1/repos/demo/commits', { branch: 'main', message: path, changes: [{ path, content }] });

  async function packs(): Promise<string[]> {
    const names = await readdir(disk.repos, { recursive: true });
    return names.filter((name) => /objects\/pack\/./.test(name)).sort();
  }

  async function history(): Promise<string[]> {
    const { body } = await alice.get('/v1/repos/demo/commits');
    return (body.commits as { message: string }[]).map(({ message }) => message);
  }

  it('refuses commits and repositories with 503 and its reason, leaves nothing half done, and goes on when there is space', async () => {
    const before = await packs();
    const full = { status: 503, body: { error: expect.stringContaining("server's disk is full") as string } };

    disk.fill();
    expect(await commit('second.txt', 'second')).toMatchObject(full);
    expect(await alice.post('/v1/repos', { slug: 'other' })).toMatchObject(full);
    disk.fill(65_536);
    expect(await commit('large.bin', randomBytes(400_000).toString('hex'))).toMatchObject(full);

    expect(await packs()).toEqual(before);
    expect(await history()).toEqual(['first.txt', 'Initial commit']);
    expect((await alice.get('/v1/repos/demo/blob/main/first.txt')).body.content).toBe('first');
    expect((await alice.get('/v1/repos/other')).status).toBe(404);

    disk.free();
    expect((await commit('second.txt', 'second')).status).toBe(201);
    expect((await alice.post('/v1/repos', { slug: 'other' })).status).toBe(201);
    expect(await history()).toEqual(['second.txt', 'first.txt', 'Initial commit']);
    const repository = (await readdir(disk.repos, { recursive: true })).find((name) => name.endsWith('.git'))!;
    // git wants the path of its folder, which only the server has.
    const copy = join(disk.dataDir, 'copy.git');
    await cp(join(disk.repos, repository), copy, { recursive: true });
    await git(copy, ['fsck', '--strict']);
  });
});
