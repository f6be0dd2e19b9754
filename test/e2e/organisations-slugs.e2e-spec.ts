import { Client, createRepo, signUp, type TestAccount } from '../support/client.js';
import { clone, emptyWorkTree, expectSound, GitClient, gitUrl, hostRepo } from '../support/git.js';
import { actingFor } from '../support/org-rows.js';
import { addMember, createOrg, uniqueSlug } from '../support/organisations.js';
import { mintKey, sql } from '../support/pinned-sessions.js';
import { startOn, startTestServer, type TestServer } from '../support/server.js';

const UPLOAD = '/info/refs?service=git-upload-pack';

let server: TestServer;
let other: TestServer;
let git: GitClient;
let owner: TestAccount;

beforeAll(async () => {
  server = await startTestServer();
  other = await startOn(server.databaseUrl, server.dataDir);
  git = new GitClient();
  owner = await signUp(server, 'owner');
});

afterAll(async () => {
  await other.close();
  await server.close();
  git.remove();
});

const rename = async (orgId: string, slug: string): Promise<number> =>
  (await owner.patch(`/api/v1/orgs/${orgId}`, { slug })).status;

describe('renaming an organisation', () => {
  it('takes an admin for the name and the owner for the slug', async () => {
    const { orgId, slug } = await createOrg(owner);
    const [admin, member] = [await signUp(server), await signUp(server)];
    await addMember(server, orgId, admin, 'admin');
    await addMember(server, orgId, member, 'member');
    const path = `/api/v1/orgs/${orgId}`;
    expect((await member.patch(path, { name: 'Theirs' })).status).toBe(403);
    expect(await admin.patch(path, { name: ' New ' })).toMatchObject({ status: 200, body: { name: 'New', slug } });
    expect(await admin.patch(path, { slug: uniqueSlug() })).toMatchObject({
      status: 403,
      body: { error: { details: { error: 'insufficient_role', required_role: 'owner' } } },
    });
    const next = uniqueSlug();
    expect((await owner.patch(path, { slug: next, name: null })).body).toMatchObject({ id: orgId, slug: next });
    expect((await member.get(path)).body.org).toMatchObject({ name: 'New', slug: next });
    expect((await owner.patch(path, {})).status).toBe(200);
  });

  it('keeps the old slug from everybody else for good, and lets its own account return to it', async () => {
    const [{ orgId, slug: first }, { orgId: rival }] = [await createOrg(owner), await createOrg(owner)];
    const second = uniqueSlug();
    expect(await rename(orgId, second)).toBe(200);
    expect((await owner.post('/api/v1/org', { name: 'Heir', slug: first })).status).toBe(409);
    expect(await rename(rival, first)).toBe(409);
    expect((await (await signUp(server)).patch('/api/v1/auth/me', { slug: first })).status).toBe(409);
    const signedUp = await new Client(server.url, null).post('/api/v1/auth/signup', { email: `${first}@example.com` });
    const me = await new Client(server.url, signedUp.body.raw_key as string).get('/api/v1/auth/me');
    expect(me.body.account_slug).not.toBe(first);
    expect(await rename(orgId, first)).toBe(200);
    expect(await rename(rival, second)).toBe(409);
    expect(await rename(rival, 'admin')).toBe(409);
  });

  it('of several to one slug, together with creations, is won by one', async () => {
    for (let round = 0; round < 4; round += 1) {
      const orgs = await Promise.all(Array.from({ length: 4 }, () => createOrg(owner)));
      const [bea, wanted] = [await signUp(server), uniqueSlug('wanted')];
      const answers = await Promise.all([
        ...orgs.map(({ orgId }) => owner.patch(`/api/v1/orgs/${orgId}`, { slug: wanted })),
        ...Array.from({ length: 3 }, () => bea.post('/api/v1/org', { name: 'New', slug: wanted })),
        bea.patch('/api/v1/auth/me', { slug: wanted }),
      ]);
      expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array<number>(7).fill(409)]);
      expect(await sql(server, 'select 1 from account where slug = $1', [wanted])).toHaveLength(1);
    }
  });

  it('in a circle, both at once, gives neither the other’s slug', async () => {
    const [one, two] = [await createOrg(owner), await createOrg(owner)];
    const statuses = await Promise.all([rename(one.orgId, two.slug), rename(two.orgId, one.slug)]);
    expect(statuses).toEqual([409, 409]);
  });

  it('does not collect slugs without end', async () => {
    const { orgId } = await createOrg(owner);
    const statuses: number[] = [];
    for (let round = 0; round < 20; round += 1) statuses.push(await rename(orgId, uniqueSlug()));
    expect(statuses).toEqual([...Array<number>(19).fill(200), 409]);
  });
});

describe('git remotes of a renamed account', () => {
  it('fetch and push under the old slug and the new one, with keys of every binding', async () => {
    const { orgId, slug: old } = await createOrg(owner);
    await createRepo(actingFor(owner, { slug: old }), 'shared');
    const bound = await mintKey(owner, { account: old });
    const next = uniqueSlug();
    expect(await rename(orgId, next)).toBe(200);
    for (const key of [owner.key, bound.key]) {
      for (const slug of [old, next]) {
        const work = await clone(git, gitUrl(server, slug, 'shared', key));
        await git.commit(work, `${slug}-${key!.slice(-6)}.txt`, slug);
        await git.git(work, 'push', '-q', 'origin', 'HEAD:main');
      }
    }
    const commits = await actingFor(owner, { slug: next }).get('/v1/repos/shared/commits');
    expect(commits.body.commits.map((commit: { message: string }) => commit.message.trim()).slice(0, 4)).toEqual(
      [next, old, next, old].map((slug, index) => `Write ${slug}-${(index < 2 ? bound : owner).key!.slice(-6)}.txt`),
    );
  });

  it('keep working for people, on every node, the moment the renaming is answered', async () => {
    const ada = await signUp(server);
    const repo = await hostRepo(server, ada, { init: true });
    const slug = uniqueSlug('ada');
    expect((await ada.patch('/api/v1/auth/me', { slug })).body.account_slug).toBe(slug);
    const basic = { authorization: `Basic ${Buffer.from(`git:${ada.key}`).toString('base64')}` };
    for (const node of [server, other]) {
      for (const account of [ada.slug, slug]) {
        const nobody = new Client(node.url, null);
        expect((await nobody.get(`/${account}/${repo.slug}.git${UPLOAD}`, basic)).status).toBe(200);
      }
    }
    const stranger = await signUp(server);
    const theirs = { authorization: `Basic ${Buffer.from(`git:${stranger.key}`).toString('base64')}` };
    expect((await new Client(server.url, null).get(`/${slug}/${repo.slug}.git${UPLOAD}`, theirs)).status).toBe(404);
  });

  it('lose no push while the account is renamed', async () => {
    const ada = await signUp(server);
    const repo = await hostRepo(server, ada);
    const work = await emptyWorkTree(git, repo);
    let isPushing = true;
    const renaming = (async () => {
      for (let round = 0; isPushing && round < 15; round += 1) {
        expect((await ada.patch('/api/v1/auth/me', { slug: uniqueSlug('ada') })).status).toBe(200);
      }
    })();
    for (let round = 0; round < 8; round += 1) {
      await git.git(work, 'commit', '-q', '--allow-empty', '-m', `round ${round}`);
      await git.git(work, 'push', '-q', 'origin', 'HEAD:main');
    }
    isPushing = false;
    await renaming;
    const log = await git.git(work, 'ls-remote', 'origin', 'refs/heads/main');
    expect(log).toContain((await git.git(work, 'rev-parse', 'HEAD')).trim());
    await expectSound(git, repo);
  });
});

const shown = (value: unknown): string => JSON.stringify(value).slice(0, 30);

describe('what a request may not carry', () => {
  const SLUGS = [
    '',
    'ab',
    'Upper',
    '-a-b',
    'a-b-',
    'a--b',
    'a b c',
    'a.b.c',
    'a\0bc',
    'ümlaut',
    'x'.repeat(101),
    'x'.repeat(9_000),
  ];
  const NAMES = ['', '   ', 'a\0b', 'a\nb', 'x'.repeat(256), 'x'.repeat(9_000)];

  it.each([...SLUGS, 7, true, null, ['abc'], { a: 1 }].map((slug) => [shown(slug), slug] as const))(
    'as a slug: %s',
    async (_, slug) => {
      const refused = await owner.post('/api/v1/org', { name: 'Acme', slug });
      expect(refused).toMatchObject({
        status: 422,
        body: { error: { code: '422', details: { errors: [{ loc: ['body', 'slug'] }] } } },
      });
      if (slug === null) return;
      const { orgId } = await createOrg(owner);
      expect((await owner.patch(`/api/v1/orgs/${orgId}`, { slug })).status).toBe(422);
      if (slug !== 'ab') expect((await owner.patch('/api/v1/auth/me', { slug })).status).toBe(422);
    },
  );

  it.each([...NAMES, 7, true, null, ['abc'], { a: 1 }].map((name) => [shown(name), name] as const))(
    'as a name: %s',
    async (_, name) => {
      const refused = await owner.post('/api/v1/org', { name, slug: uniqueSlug() });
      expect(refused).toMatchObject({
        status: 422,
        body: { error: { code: '422', details: { errors: [{ loc: ['body', 'name'] }] } } },
      });
      if (name === null) return;
      const { orgId } = await createOrg(owner);
      expect((await owner.patch(`/api/v1/orgs/${orgId}`, { name })).status).toBe(422);
      expect((await owner.patch('/api/v1/auth/me', { display_name: name })).status).toBe(422);
    },
  );

  it('changes nothing when one of two members is bad', async () => {
    const { orgId, slug } = await createOrg(owner);
    expect((await owner.patch(`/api/v1/orgs/${orgId}`, { name: 'Good', slug: 'Bad Slug' })).status).toBe(422);
    expect((await owner.patch(`/api/v1/orgs/${orgId}`, { name: 'Good', slug: owner.slug })).status).toBe(409);
    expect((await owner.get(`/api/v1/orgs/${orgId}`)).body.org).toMatchObject({ name: 'Acme', slug });
  });
});

describe('my profile', () => {
  it('takes a name, and gives it up for null', async () => {
    const ada = await signUp(server);
    const named = await ada.patch('/api/v1/auth/me', { display_name: ' Ada Lovelace ' });
    expect(named).toMatchObject({
      status: 200,
      body: { user_id: ada.userId, display_name: 'Ada Lovelace', account_slug: ada.slug },
    });
    expect((await ada.get('/api/v1/auth/me')).body.display_name).toBe('Ada Lovelace');
    expect((await ada.patch('/api/v1/auth/me', {})).body.display_name).toBe('Ada Lovelace');
    expect((await ada.patch('/api/v1/auth/me', { display_name: null })).body.display_name).toBeNull();
    expect((await ada.get('/api/v1/auth/me')).body.display_name).toBeNull();
  });

  it('is the person’s, whichever account the key acts for', async () => {
    const ada = await signUp(server);
    const { slug } = await createOrg(ada);
    const next = uniqueSlug('ada');
    expect((await actingFor(ada, { slug }).patch('/api/v1/auth/me', { slug: next })).body.account_slug).toBe(next);
    expect((await ada.get('/api/v1/org')).body.org.slug).toBe(slug);
  });
});
