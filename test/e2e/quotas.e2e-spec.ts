import { randomBytes } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Database, StoredBytes, type Tier } from '#platform';
import { admin, type Client, createRepo, signUp, type TestAccount } from '../support/client.js';
import { emptyWorkTree, GitClient, hostRepo, refsOf } from '../support/git.js';
import { addMember, makeOrganisation, setTier } from '../support/organisations.js';
import { eventually, oneSecond } from '../support/pinned-sessions.js';
import { countQueries, fewest } from '../support/request-probe.js';
import { startTestServer, type TestServer } from '../support/server.js';

const LIMIT = 524_288_000;
const KIB = 1_024;

let server: TestServer;
let root: Client;
let db: Database;
let stored: StoredBytes;

beforeAll(async () => {
  server = await startTestServer({ DEFAULT_TIER: 'free', PUBLIC_URL: 'https://code.example.com' });
  root = await admin(server);
  db = server.app.get(Database);
  stored = server.app.get(StoredBytes);
});

afterAll(async () => {
  await server.close();
});

/** A commit whose pack is a little larger than `kib`. */
const commit = (branch: string, kib: number) => ({
  branch,
  message: 'm',
  changes: [{ path: `${branch}.bin`, content: randomBytes(kib * KIB).toString('base64'), encoding: 'base64' }],
});

/** Gives the account a tier and waits as long as its key may still be known with the old one. */
async function onTier(account: TestAccount, tier: Tier): Promise<void> {
  await setTier(root, account, tier);
  await oneSecond();
}

const usage = async (caller: Client): Promise<number> => (await caller.get('/v1/usage')).body.storage_bytes as number;

/** Bytes of the packs and their indexes that the account's repositories have on disk. */
async function onDisk(account: TestAccount): Promise<number> {
  const repos = await db.query<{ id: string }>(
    `select storage_id as id from repo where account_id = (select account_id from app_user where id = $1)`,
    [account.userId],
  );
  let bytes = 0;
  for (const { id } of repos) {
    const packs = join(server.dataDir, 'repos', id.slice(0, 2), id.slice(2, 4), `${id}.git`, 'objects/pack');
    for (const name of await readdir(packs)) {
      if (/\.(pack|idx)$/.test(name)) bytes += (await stat(join(packs, name))).size;
    }
  }
  return bytes;
}

/** Leaves the account room for `bytes` and no more. */
async function leaveRoom(account: TestAccount, bytes: number): Promise<void> {
  await stored.fold();
  await db.query(
    `insert into account_storage (account_id, bytes)
       select account_id, $2 from app_user where id = $1
       on conflict (account_id) do update set bytes = excluded.bytes`,
    [account.userId, LIMIT - bytes],
  );
}

describe('what an account stores', () => {
  it.each(['free', 'starter', 'enterprise'] as const)(
    'is counted on %s, in the transaction of each commit',
    async (tier) => {
      const account = await signUp(server);
      await onTier(account, tier);
      await createRepo(account, 'counted');
      expect(await usage(account)).toBe(await onDisk(account));
      await account.post('/v1/repos/counted/commits', commit('main', 20));
      const one = await usage(account);
      expect(one).toBe(await onDisk(account));
      await Promise.all(['a', 'b', 'c'].map((branch) => account.post('/v1/repos/counted/commits', commit(branch, 10))));
      expect(await usage(account)).toBe(await onDisk(account));
      await stored.fold();
      expect(await usage(account)).toBe(await onDisk(account));
      expect((await account.get('/api/v1/billing/status')).body.storage_used_bytes).toBe(await onDisk(account));
    },
  );

  it('is given back when a repository is deleted, folded or not', async () => {
    const account = await signUp(server);
    for (const slug of ['kept', 'folded', 'fresh']) await createRepo(account, slug);
    await account.post('/v1/repos/kept/commits', commit('main', 5));
    await account.post('/v1/repos/folded/commits', commit('main', 5));
    await stored.fold();
    await account.post('/v1/repos/folded/commits', commit('other', 5));
    await account.post('/v1/repos/fresh/commits', commit('main', 5));
    const all = await usage(account);
    expect((await account.delete('/v1/repos/folded')).status).toBe(200);
    expect((await account.delete('/v1/repos/fresh')).status).toBe(200);
    const left = await usage(account);
    expect(left).toBe(await onDisk(account));
    expect(left).toBeLessThan(all);
    await stored.fold();
    expect(await usage(account)).toBe(left);
    expect(await db.query(`select item from stored_item where item not in (select 'repo:' || id from repo)`)).toEqual(
      [],
    );
  });

  it('says nothing of other months', async () => {
    const account = await signUp(server);
    await createRepo(account, 'r');
    await account.post('/v1/repos/r/commits', commit('main', 5));
    expect((await account.get('/v1/usage?period=2020-02')).body.storage_bytes).toBe(0);
  });

  it('is folded by itself', async () => {
    const account = await signUp(server);
    await createRepo(account, 'r');
    await account.post('/v1/repos/r/commits', commit('main', 5));
    await eventually(async () => (await db.query('select 1 from storage_change')).length === 0);
    expect(await usage(account)).toBe(await onDisk(account));
  });

  it('costs a commit on an unlimited tier no statement', async () => {
    const account = await signUp(server);
    await createRepo(account, 'r');
    await account.post('/v1/repos/r/commits', commit('main', 1));
    const committing = async (): Promise<number> =>
      (await countQueries(() => account.post('/v1/repos/r/commits', commit('main', 1)))).whole;
    const free = await fewest(committing);
    await onTier(account, 'starter');
    // One look before the body is written, one reservation.
    expect((await fewest(committing)) - free).toBe(2);
  });
});

describe('a tier with a limit', () => {
  const refusal = {
    status: 403,
    body: {
      code: 'FORBIDDEN',
      reason: 'storage_limit',
      error: `Storage limit of ${LIMIT} bytes reached.`,
      limit: LIMIT,
      upgrade_url: 'https://code.example.com/docs/tiers',
    },
  };

  const starter = async (): Promise<TestAccount> => {
    const account = await signUp(server);
    await onTier(account, 'starter');
    await createRepo(account, 'r', { init: false });
    return account;
  };

  it('refuses a commit there is no room for, and takes one that fits', async () => {
    const account = await starter();
    await leaveRoom(account, 50 * KIB);
    const refused = await account.post('/v1/repos/r/commits', commit('main', 60));
    expect(refused).toMatchObject(refusal);
    expect(refused.body.current_usage).toBe(LIMIT - 50 * KIB);
    expect((await account.get('/v1/repos/r/branches')).body.branches).toEqual([]);
    expect((await account.post('/v1/repos/r/commits', commit('main', 20))).status).toBe(201);
  });

  it('refuses what only turns out too large once it is written', async () => {
    const account = await starter();
    // The request is small, its pack is not smaller.
    await leaveRoom(account, 200);
    const body = { branch: 'main', message: 'm', changes: [{ path: 'a', content: 'x' }] };
    expect(JSON.stringify(body).length).toBeLessThan(200);
    expect(await account.post('/v1/repos/r/commits', body)).toMatchObject(refusal);
    expect(await usage(account)).toBe(LIMIT - 200);
  });

  it('is not exceeded by writers that come at once, in one repository or in several', async () => {
    const account = await starter();
    await createRepo(account, 's', { init: false });
    await leaveRoom(account, 100 * KIB);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        account.post(`/v1/repos/${index % 2 === 0 ? 'r' : 's'}/commits`, commit(`b${index}`, 20)),
      ),
    );
    const statuses = answers.map(({ status }) => status);
    expect([...new Set(statuses)].sort()).toEqual([201, 403]);
    const used = await usage(account);
    expect(used).toBeLessThanOrEqual(LIMIT);
    // There is no room for one more of them, so none was refused in vain.
    expect(used).toBeGreaterThan(LIMIT - 41 * KIB);
    expect(statuses.filter((status) => status === 201)).toHaveLength(4);
  });

  it('takes of a group of commits on one branch those that fit', async () => {
    const account = await starter();
    await leaveRoom(account, 80 * KIB);
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        account.post('/v1/repos/r/commits', { ...commit(`b${index}`, 20), branch: 'main' }),
      ),
    );
    const taken = answers.filter(({ status }) => status === 201).length;
    expect(taken).toBeGreaterThanOrEqual(2);
    expect(taken).toBeLessThanOrEqual(3);
    expect(await usage(account)).toBeLessThanOrEqual(LIMIT);
  });

  it('refuses a push there is no room for, and keeps nothing of it', async () => {
    const account = await starter();
    const repo = await hostRepo(server, account);
    const client = new GitClient();
    try {
      const work = await emptyWorkTree(client, repo);
      await client.commit(work, 'small.txt', 'small');
      await client.git(work, 'push', '-q', 'origin', 'main');
      await leaveRoom(account, 10 * KIB);
      await client.commit(work, 'large.txt', randomBytes(30 * KIB).toString('hex'));
      await expect(client.git(work, 'push', '-q', 'origin', 'main')).rejects.toThrow(
        `Storage limit of ${LIMIT} bytes reached`,
      );
      expect(await usage(account)).toBe(LIMIT - 10 * KIB);
      expect(await refsOf(server, repo)).toHaveLength(1);
      expect((await readdir(join(repo.directory, 'objects'))).filter((name) => name.startsWith('incoming-'))).toEqual(
        [],
      );
      await leaveRoom(account, 100 * KIB);
      await client.git(work, 'push', '-q', 'origin', 'main');
    } finally {
      client.remove();
    }
  });

  it('has room again after a deletion', async () => {
    const account = await starter();
    await createRepo(account, 'old', { init: false });
    await account.post('/v1/repos/old/commits', commit('main', 60));
    const held = await usage(account);
    await stored.fold();
    await leaveRoom(account, 10 * KIB);
    expect((await account.post('/v1/repos/r/commits', commit('main', 30))).status).toBe(403);
    await account.delete('/v1/repos/old');
    expect(await usage(account)).toBe(LIMIT - 10 * KIB - held);
    expect((await account.post('/v1/repos/r/commits', commit('main', 30))).status).toBe(201);
  });

  it("is the organisation's, by its seats, for what is written through its keys", async () => {
    const account = await signUp(server);
    const org = await makeOrganisation(server, 'team', 2);
    await addMember(server, org, account, 'owner');
    await db.query('update api_key set account_id = $2 where id = $1', [account.keyId, org.accountId]);
    await db.query(`insert into revocation (kind, subject_id) values ('key', $1)`, [account.keyId]);
    await oneSecond();
    await createRepo(account, 'shared', { init: false });
    const [row] = await db.query<{ account: string }>(`select account_id as account from repo where slug = 'shared'`);
    expect(row).toEqual({ account: org.accountId });
    const limit = 2 * 1_073_741_824;
    await db.query('insert into account_storage (account_id, bytes) values ($1, $2)', [
      org.accountId,
      limit - 10 * KIB,
    ]);
    const refused = await account.post('/v1/repos/shared/commits', commit('main', 20));
    expect(refused).toMatchObject({ status: 403, body: { reason: 'storage_limit', limit } });
    await db.query('update organisation set storage_limit_bytes = 0 where id = $1', [org.id]);
    expect((await account.post('/v1/repos/shared/commits', commit('main', 20))).status).toBe(201);
  });
});
