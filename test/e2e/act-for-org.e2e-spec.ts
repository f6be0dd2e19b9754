import { Client, createRepo, signUp, type TestAccount } from '../support/client.js';
import { actingFor, type OrgRow, seedMember, seedOrg, unseatMember } from '../support/org-rows.js';
import { holder, oneSecond, openSession, sql } from '../support/pinned-sessions.js';
import { countQueries } from '../support/request-probe.js';
import { startOn, startTestServer, type TestServer } from '../support/server.js';

const UPLOAD = '/info/refs?service=git-upload-pack';
const RECEIVE = '/info/refs?service=git-receive-pack';

let a: TestServer;
let b: TestServer;
let owner: TestAccount;
let org: OrgRow;

beforeAll(async () => {
  a = await startTestServer();
  b = await startOn(a.databaseUrl, a.dataDir);
  owner = await signUp(a, 'owner');
  org = await seedOrg(a, owner);
  await createRepo(actingFor(owner, org), 'shared');
});

afterAll(async () => {
  await b.close();
  await a.close();
});

async function newMember(): Promise<TestAccount> {
  const member = await signUp(a);
  await seedMember(a, org, member);
  return member;
}

async function boundKey(user: TestAccount): Promise<Client> {
  const { status, body } = await user.post('/api/v1/auth/keys', { name: 'bound', account: org.slug });
  expect(status).toBe(201);
  return new Client(a.url, body.raw_key as string);
}

const slugs = async (client: Client): Promise<string[]> =>
  ((await client.get('/v1/repos')).body.repos as { slug: string }[]).map(({ slug }) => slug);

/** How a git client asks, with its key as the password. */
async function gitAsks(client: Client, path: string, server = a): Promise<number> {
  const basic = Buffer.from(`git:${client.key}`).toString('base64');
  return (await new Client(server.url, null).get(path, { authorization: `Basic ${basic}` })).status;
}

describe('a member of an organisation', () => {
  it('acts for it by X-Account, and for itself without', async () => {
    const member = await newMember();
    expect(await slugs(actingFor(member, org))).toEqual(['shared']);
    expect(await slugs(member)).toEqual([]);
    expect((await actingFor(member, org).get('/api/v1/auth/me')).body.account_slug).toBe(org.slug);
    expect((await member.get('/api/v1/auth/me', { 'x-account': member.slug })).body.account_slug).toBe(member.slug);
  });

  it('of several acts for each on every route', async () => {
    const member = await newMember();
    const second = await seedOrg(a, member, 'free');
    await createRepo(actingFor(member, second), 'elsewhere');
    expect(await slugs(actingFor(member, second))).toEqual(['elsewhere']);
    expect(await slugs(actingFor(member, org))).toEqual(['shared']);
    expect(await gitAsks(member, `/${second.slug}/elsewhere.git${UPLOAD}`)).toBe(200);
    expect(await gitAsks(member, `/${org.slug}/shared.git${UPLOAD}`)).toBe(200);
    const limit = async (of: OrgRow): Promise<string | null> =>
      (await actingFor(member, of).get('/v1/repos')).headers.get('x-ratelimit-limit');
    expect(await limit(second)).toBe('600');
  });

  it('costs no query to turn once it is known', async () => {
    const member = actingFor(await newMember(), org);
    await member.get('/v1/repos');
    const issued: (number | undefined)[] = [];
    for (let round = 0; round < 5; round += 1) {
      issued.push((await countQueries(() => member.get('/v1/repos'))).beforeController);
    }
    expect(issued).toContain(0);
  });

  it('clones and pushes where the first segment of the URL says', async () => {
    const member = await newMember();
    await createRepo(member, 'shared');
    for (const slug of [org.slug, member.slug]) {
      expect(await gitAsks(member, `/${slug}/shared.git${UPLOAD}`)).toBe(200);
      expect(await gitAsks(member, `/${slug}/shared.git${RECEIVE}`)).toBe(200);
    }
  });
});

describe('somebody else', () => {
  it('is refused by X-Account whether or not the account exists', async () => {
    const stranger = await signUp(a);
    for (const slug of [org.slug, owner.slug, 'no-such-account', '', '%00', 'x'.repeat(5_000)]) {
      expect(await stranger.get('/v1/repos', { 'x-account': slug })).toMatchObject({
        status: 403,
        body: { error: 'This key does not act for the account named in X-Account' },
      });
    }
  });

  it('finds no private repository in a git URL, as if there were none', async () => {
    const stranger = await signUp(a);
    const missing = await gitAsks(stranger, `/${org.slug}/nothing.git${UPLOAD}`);
    expect(await gitAsks(stranger, `/${org.slug}/shared.git${UPLOAD}`)).toBe(missing);
    expect(await gitAsks(stranger, `/no-such-account/shared.git${UPLOAD}`)).toBe(missing);
    expect(missing).toBe(404);
  });
});

describe('a key bound to an organisation', () => {
  it('acts for it and for nothing else', async () => {
    const member = await newMember();
    await createRepo(member, 'own');
    const key = await boundKey(member);
    expect(await slugs(key)).toEqual(['shared']);
    expect(await slugs(actingFor(key, org))).toEqual(['shared']);
    expect((await actingFor(key, member).get('/v1/repos')).status).toBe(403);
    const second = await seedOrg(a, member);
    expect((await actingFor(key, second).get('/v1/repos')).status).toBe(403);
    expect(await gitAsks(key, `/${org.slug}/shared.git${UPLOAD}`)).toBe(200);
    expect(await gitAsks(key, `/${member.slug}/own.git${UPLOAD}`)).toBe(404);
  });

  it('mints only keys that are bound as it is', async () => {
    const member = await newMember();
    const key = await boundKey(member);
    const child = await key.post('/api/v1/auth/keys', {});
    expect(child.status).toBe(201);
    expect(await slugs(new Client(a.url, child.body.raw_key))).toEqual(['shared']);
    const wider = await key.post('/api/v1/auth/keys', { account: member.slug });
    expect(wider).toMatchObject({ status: 403, body: { error: { details: { field: 'account' } } } });
  });

  it('is not made for an organisation that its user is not in', async () => {
    const stranger = await signUp(a);
    for (const account of [org.slug, 'no-such-account', owner.slug]) {
      expect((await stranger.post('/api/v1/auth/keys', { account })).status).toBe(403);
    }
    for (const account of ['a\0b', 7, 'x'.repeat(101)]) {
      expect((await stranger.post('/api/v1/auth/keys', { account })).status).toBe(422);
    }
  });
});

describe('who leaves an organisation', () => {
  it('is refused on every node within a second, by X-Account, bound key, git URL and pinned session', async () => {
    const member = await newMember();
    const bound = await boundKey(member);
    const turned = await openSession(actingFor(member, org));
    const ofBound = await openSession(bound);
    const asks = (server: TestServer): Promise<number[]> => {
      const there = new Client(server.url, member.key);
      return Promise.all([
        actingFor(there, org).get('/v1/repos'),
        new Client(server.url, bound.key).get('/v1/repos'),
        holder(server, turned).get('/v1/repos'),
        holder(server, ofBound).get('/v1/repos'),
      ]).then(async (answers) => [
        ...answers.map(({ status }) => status),
        await gitAsks(there, `/${org.slug}/shared.git${UPLOAD}`, server),
      ]);
    };
    for (const server of [a, b]) expect(await asks(server)).toEqual([200, 200, 200, 200, 200]);
    await unseatMember(a, org, member);
    await oneSecond();
    for (const server of [a, b]) expect(await asks(server)).toEqual([403, 403, 401, 401, 404]);
    expect((await member.get('/v1/repos')).status).toBe(200);
    const ends = await sql<{ reason: string }>(
      a,
      `select end_reason as reason from pinned_session where user_id = $1 order by created_at`,
      [member.userId],
    );
    expect(ends.map(({ reason }) => reason)).toEqual(['membership_lost', 'membership_lost']);
  });
});

describe('a pinned session of an organisation', () => {
  it('acts for it whatever the key alone would act for', async () => {
    const member = await newMember();
    const sessionId = await openSession(actingFor(member, org));
    expect(await slugs(holder(a, sessionId))).toEqual(['shared']);
    expect(await slugs(member.with({ 'x-session-id': sessionId }))).toEqual(['shared']);
    expect(await slugs(actingFor(holder(a, sessionId), org))).toEqual(['shared']);
  });

  it('gives way to its key when the request names another account, and alone is refused', async () => {
    const member = await newMember();
    const sessionId = await openSession(actingFor(member, org));
    expect((await actingFor(holder(a, sessionId), member).get('/v1/repos')).status).toBe(403);
    expect(await slugs(actingFor(member.with({ 'x-session-id': sessionId }), member))).toEqual([]);
  });
});
