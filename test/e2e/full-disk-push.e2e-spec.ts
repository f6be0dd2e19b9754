import { randomBytes } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SmallDisk, smallDiskRefusal } from '../crash/small-disk.js';
import { createRepo, signUp, type TestAccount } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { GitClient, gitUrl } from '../support/git.js';
import { basic, postGit, pushBody } from '../support/git-wire.js';

const refusal = smallDiskRefusal();
if (refusal !== null) process.stdout.write(`full disk: not tested, no file system can be mounted here: ${refusal}\n`);

const FULL = "The server's disk is full";
/** More files than a push makes: quarantine, pack, index, reverse index and their links. */
const MOST_FILES = 30;

let database: TestDatabase;
let disk: SmallDisk;
let alice: TestAccount;
let client: GitClient;

/** All files below `objects/` of the one repository. */
function objects(): string[] {
  const names = readdirSync(disk.repos, { recursive: true, encoding: 'utf8' });
  return names.filter((name) => /\.git\/objects\/./.test(name)).sort();
}

async function tip(branch: string): Promise<string | null> {
  const { status, body } = await alice.get(`/v1/repos/demo/branches/${branch}`);
  return status === 404 ? null : (body.sha as string);
}

/** A working copy of the hosted repository. */
async function checkout(name: string): Promise<string> {
  await client.git('.', 'clone', '-q', gitUrl(disk.server, alice.slug, 'demo', alice.key), name);
  return name;
}

async function commitBytes(work: string, bytes: number): Promise<string> {
  writeFileSync(client.path(join(work, `${bytes}.bin`)), randomBytes(bytes));
  await client.git(work, 'add', '.');
  await client.git(work, 'commit', '-q', '-m', `${bytes} bytes`);
  return client.git(work, 'rev-parse', 'HEAD');
}

async function open(): Promise<void> {
  database = await createTestDatabase();
  disk = new SmallDisk(database.url);
  client = new GitClient();
  if (!(await disk.server.ready())) throw new Error(disk.server.output);
  alice = await signUp(disk.server);
  await createRepo(alice, 'demo');
}

async function close(): Promise<void> {
  await disk.close();
  await database.drop();
  client.remove();
}

const describeDisk = refusal === null ? describe : describe.skip;

describeDisk('a push onto a disk without space', () => {
  beforeAll(open, 90_000);
  afterAll(close);

  it.each([
    ['no block is free', 2_000, 0],
    ['a small pack outgrows it', 100_000, 32_768],
    ['a large pack outgrows it', 4_000_000, 1_048_576],
  ])('is refused in git’s own words when %s, leaves nothing, and goes through once there is room', async (...row) => {
    const [what, bytes, spare] = row;
    const work = await checkout(what.replaceAll(' ', '-'));
    const sha = await commitBytes(work, bytes);
    const before = objects();
    const main = await tip('main');

    disk.fill(spare);
    const { code, output } = await client.attempt(work, ['push', 'origin', 'HEAD:main']);
    const after = objects();
    disk.free();

    expect(code).not.toBe(0);
    expect(output).toContain(FULL);
    expect(output).not.toContain('HTTP 5');
    expect(after).toEqual(before);
    expect(await tip('main')).toBe(main);
    await client.git(work, 'push', '-q', 'origin', 'HEAD:main');
    expect(await tip('main')).toBe(sha);
  });

  it('is 503 for a client that wants no report', async () => {
    const work = await checkout('unreported');
    const head = await tip('main');
    const sha = await commitBytes(work, 5_000);
    const pack = client.binary(work, ['pack-objects', '--stdout', '--revs', '-q'], `${sha}\n^${head}\n`);
    const url = gitUrl(disk.server, alice.slug, 'demo', null);
    const command = { old: head!, new: sha, ref: 'refs/heads/main' };

    disk.fill();
    const answer = await postGit(`${url}/git-receive-pack`, pushBody([command], pack, 'ofs-delta'), basic(alice.key!));
    disk.free();

    expect(answer.status).toBe(503);
    expect(answer.text).toContain(FULL);
    expect(await tip('main')).toBe(head);
  });
});

describeDisk('a push onto a disk without free files', () => {
  beforeAll(open, 90_000);
  afterAll(close);

  it('is refused wherever the last file is used up, from the quarantine’s folder to the link that publishes', async () => {
    const work = await checkout('inodes');
    const sha = await commitBytes(work, 3_000);
    const before = objects();
    const main = await tip('main');
    let refusals = 0;
    for (let spare = 0; spare <= MOST_FILES; spare += 1) {
      disk.fillFiles(spare);
      const { code, output } = await client.attempt(work, ['push', 'origin', 'HEAD:main']);
      const after = objects();
      disk.freeFiles();
      if (code === 0) break;
      refusals += 1;
      expect(output).toContain(FULL);
      expect(after).toEqual(before);
      expect(await tip('main')).toBe(main);
    }
    expect(await tip('main')).toBe(sha);
    // Four for the quarantine, two for pack and index in it, and two for their links.
    expect(refusals).toBeGreaterThanOrEqual(8);
    await client.git('.', 'clone', '-q', gitUrl(disk.server, alice.slug, 'demo', alice.key), 'last');
    await client.git('last', 'fsck', '--strict');
  });
});
