import { Client, createRepo, signUp, type TestAccount } from '../support/client.js';
import { actingFor } from '../support/org-rows.js';
import { addMember, createOrg } from '../support/organisations.js';
import { eventually, holder, mintKey, oneSecond, openSession, sql } from '../support/pinned-sessions.js';
import { keysOf, serviceKey } from '../support/service-keys.js';
import { startOn, startTestServer, type TestServer } from '../support/server.js';

const UNKNOWN_USER = '00000000-0000-4000-8000-000000000000';

let server: TestServer;
let other: TestServer;
let owner: TestAccount;
let outsider: TestAccount;

beforeAll(async () => {
  server = await startTestServer();
  other = await startOn(server.databaseUrl, server.dataDir);
  owner = await signUp(server, 'owner');
  outsider = await signUp(server, 'outsider');
});

afterAll(async () => {
  await other.close();
  await server.close();
});

interface Cast {
  readonly orgId: string;
  readonly slug: string;
  readonly admin: TestAccount;
  readonly member: TestAccount;
}

/** An organisation of `owner` with an admin and a member. */
async function cast(): Promise<Cast> {
  const org = await createOrg(owner);
  const [admin, member] = [await signUp(server, 'admin'), await signUp(server, 'member')];
  await addMember(server, org.orgId, admin, 'admin');
  await addMember(server, org.orgId, member, 'member');
  return { ...org, admin, member };
}

async function roleOf(orgId: string, { userId }: TestAccount): Promise<string | null> {
  const { body } = await owner.get(`/api/v1/orgs/${orgId}/members`);
  const found = (body.members as { user_id: string; role: string }[]).find((member) => member.user_id === userId);
  return found?.role ?? null;
}

const ownersOf = (orgId: string): Promise<{ id: string }[]> =>
  sql(server, `select user_id as id from org_member where org_id = $1 and role = 'owner'`, [orgId]);

describe('the members of an organisation', () => {
  it('are shown to each of them, the first one in front', async () => {
    const { orgId, admin, member } = await cast();
    const { status, body } = await member.get(`/api/v1/orgs/${orgId}/members`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ org_id: orgId, seats_used: 3, seats_limit: 25, current_user_role: 'member' });
    expect(body.members.map((each: { user_id: string }) => each.user_id)).toEqual([
      owner.userId,
      admin.userId,
      member.userId,
    ]);
    expect(Object.keys(body.members[0]).sort()).toEqual(['display_name', 'email', 'joined_at', 'role', 'user_id']);
  });

  it('are nobody else’s business', async () => {
    const { orgId, member } = await cast();
    const calls = (org: string) => [
      outsider.get(`/api/v1/orgs/${org}/members`),
      outsider.put(`/api/v1/orgs/${org}/members/${member.userId}/role`, { role: 'admin' }),
      outsider.delete(`/api/v1/orgs/${org}/members/${member.userId}`),
      outsider.post(`/api/v1/orgs/${org}/leave`),
    ];
    for (const org of [orgId, 'org_0123456789abcdef', 'nonsense', 'x'.repeat(9_000)]) {
      for (const answer of await Promise.all(calls(org))) {
        expect(answer).toMatchObject({ status: 404, body: { error: { message: 'Organization not found' } } });
      }
    }
  });
});

describe('changing a role', () => {
  it.each(['plural', 'singular'])('takes an admin, on the %s path', async (form) => {
    const { orgId, admin, member } = await cast();
    const path = `/api/v1/${form === 'plural' ? `orgs/${orgId}` : 'org'}/members/${member.userId}/role`;
    expect(await member.put(path, { role: 'admin' })).toMatchObject({
      status: 403,
      body: { error: { details: { error: 'insufficient_role', current_role: 'member', required_role: 'admin' } } },
    });
    expect(await admin.put(path, { role: 'admin' })).toMatchObject({
      status: 200,
      body: { user_id: member.userId, role: 'admin' },
    });
    expect((await admin.put(path, { role: 'admin' })).status).toBe(200);
    expect(await roleOf(orgId, member)).toBe('admin');
    const written = await sql(
      server,
      `select 1 from audit where action = 'org.member_role_changed' and subject_id = $1`,
      [orgId],
    );
    expect(written).toHaveLength(1);
  });

  it('answers "none" to a caller without any organisation on singular paths', async () => {
    for (const answer of [
      await outsider.put(`/api/v1/org/members/${owner.userId}/role`, { role: 'admin' }),
      await outsider.delete(`/api/v1/org/members/${owner.userId}`),
    ]) {
      expect(answer).toMatchObject({
        status: 403,
        body: { error: { details: { error: 'insufficient_role', current_role: 'none', required_role: 'admin' } } },
      });
    }
  });

  it('knows admin and member only: nobody is made owner by it', async () => {
    const { orgId, admin, member } = await cast();
    const path = `/api/v1/orgs/${orgId}/members/${member.userId}/role`;
    const refused = await owner.put(path, { role: 'owner' });
    expect(refused).toMatchObject({ status: 400, body: { error: { code: '400' } } });
    expect(refused.body.error.message).toContain('owner/transfer');
    for (const role of ['boss', '', 'Admin', 'x'.repeat(9_000)]) {
      expect(await admin.put(path, { role })).toMatchObject({
        status: 400,
        body: { error: { message: "Role must be 'admin' or 'member'" } },
      });
    }
    for (const body of [{}, { role: 7 }, { role: null }, { role: ['admin'] }]) {
      expect((await admin.put(path, body)).status).toBe(422);
    }
    expect(await roleOf(orgId, member)).toBe('member');
  });

  it('is neither for oneself nor for the owner', async () => {
    const { orgId, admin } = await cast();
    const path = (who: TestAccount): string => `/api/v1/orgs/${orgId}/members/${who.userId}/role`;
    expect(await admin.put(path(admin), { role: 'member' })).toMatchObject({
      status: 400,
      body: { error: { message: 'Cannot change your own role' } },
    });
    for (const caller of [admin, owner]) {
      const refused = await caller.put(path(owner), { role: 'admin' });
      expect(refused).toMatchObject({ status: 409, body: { error: { details: { error: 'sole_owner' } } } });
      expect(refused.body.error.message).toContain(`/api/v1/orgs/${orgId}/owner/transfer`);
    }
  });

  it('of somebody unknown is 404', async () => {
    const { orgId } = await cast();
    for (const id of [UNKNOWN_USER, outsider.userId, 'nonsense', 'x'.repeat(9_000), '%F0%9F%98%80']) {
      for (const answer of [
        await owner.put(`/api/v1/orgs/${orgId}/members/${id}/role`, { role: 'admin' }),
        await owner.delete(`/api/v1/orgs/${orgId}/members/${id}`),
      ]) {
        expect(answer).toMatchObject({ status: 404, body: { error: { message: 'Member not found in this org' } } });
      }
    }
  });
});

describe('removing a member', () => {
  it.each(['plural', 'singular'])('takes an admin, on the %s path', async (form) => {
    const { orgId, admin, member } = await cast();
    const path = `/api/v1/${form === 'plural' ? `orgs/${orgId}` : 'org'}/members/${member.userId.toUpperCase()}`;
    expect((await member.delete(path)).status).toBe(403);
    expect(await admin.delete(path)).toMatchObject({
      status: 200,
      body: { removed: member.userId, projects_transferred: 0, pending_transfers_cancelled: 0 },
    });
    expect((await admin.delete(path)).status).toBe(404);
    expect((await member.get(`/api/v1/orgs/${orgId}`)).status).toBe(404);
  });

  it('is neither for oneself nor for the owner', async () => {
    const { orgId, admin } = await cast();
    const path = (who: TestAccount): string => `/api/v1/orgs/${orgId}/members/${who.userId}`;
    expect((await admin.delete(path(admin))).status).toBe(400);
    for (const caller of [admin, owner]) {
      expect(await caller.delete(path(owner))).toMatchObject({
        status: 409,
        body: { error: { details: { error: 'sole_owner' } } },
      });
    }
  });

  it('takes the teams, the default organisation and the keys of it along', async () => {
    const { orgId, slug, member } = await cast();
    const team = await owner.post('/api/v1/teams', { name: 'Core', slug: 'core', org_id: orgId });
    await owner.post(`/api/v1/teams/${team.body.id}/members`, { user_id: member.userId });
    await sql(server, 'update app_user set default_org_id = $1 where id = $2', [orgId, member.userId]);
    const bound = await mintKey(member, { account: slug });
    await owner.delete(`/api/v1/orgs/${orgId}/members/${member.userId}`);
    expect((await owner.get(`/api/v1/teams/${team.body.id}`)).body.member_count).toBe(0);
    const [user] = await sql(server, 'select default_org_id as "home" from app_user where id = $1', [member.userId]);
    expect(user).toEqual({ home: null });
    await addMember(server, orgId, member);
    await eventually(async () => (await bound.get('/v1/repos')).status === 401);
    expect((await member.get('/v1/repos')).status).toBe(200);
  });

  it('leaves the service keys they minted to the owner', async () => {
    const { orgId, admin } = await cast();
    const key = await serviceKey(admin, { id: orgId }, ['repos:read']);
    const session = await openSession(key);
    expect((await key.get('/v1/repos')).status).toBe(200);
    await owner.delete(`/api/v1/orgs/${orgId}/members/${admin.userId}`);
    await oneSecond();
    for (const node of [server, other]) {
      expect((await new Client(node.url, key.key).get('/v1/repos')).status).toBe(200);
      expect((await holder(node, session).get('/v1/repos')).status).toBe(200);
    }
    const shown = await owner.get(`${keysOf({ id: orgId })}/${key.id}`);
    expect(shown).toMatchObject({ status: 200, body: { is_active: true } });
    const [row] = await sql(server, 'select user_id as "userId" from api_key where id = $1', [key.id]);
    expect(row).toEqual({ userId: owner.userId });
  });

  it('ends what they do for it on every node within a second', async () => {
    const { orgId, slug, member } = await cast();
    await createRepo(actingFor(owner, { slug }), 'shared');
    const session = await openSession(actingFor(member, { slug }));
    const asks = async (node: TestServer): Promise<number[]> => {
      const there = actingFor(new Client(node.url, member.key), { slug });
      return [(await there.get('/v1/repos')).status, (await holder(node, session).get('/v1/repos')).status];
    };
    for (const node of [server, other]) expect(await asks(node)).toEqual([200, 200]);
    await owner.delete(`/api/v1/orgs/${orgId}/members/${member.userId}`);
    await oneSecond();
    for (const node of [server, other]) expect(await asks(node)).toEqual([403, 401]);
  });
});

describe('leaving', () => {
  it('ends the own membership as a removal does', async () => {
    const { orgId, slug, member } = await cast();
    const bound = await mintKey(member, { account: slug });
    const left = await member.post(`/api/v1/orgs/${orgId}/leave`);
    expect(left).toMatchObject({ status: 200, body: { left: orgId } });
    expect((await member.post(`/api/v1/orgs/${orgId}/leave`)).status).toBe(404);
    expect(await roleOf(orgId, member)).toBeNull();
    await eventually(async () => (await bound.get('/v1/repos')).status === 401);
    const events = await sql(
      server,
      `select payload from event where type = 'organisation.member_left' and subject_id = $1`,
      [orgId],
    );
    expect(events).toMatchObject([{ payload: { user_id: member.userId } }]);
  });

  it('is not for the owner', async () => {
    const { orgId } = await cast();
    const refused = await owner.post(`/api/v1/orgs/${orgId}/leave`);
    expect(refused).toMatchObject({ status: 409, body: { error: { details: { error: 'sole_owner' } } } });
    expect(refused.body.error.message).toContain('owner/transfer');
    expect(await ownersOf(orgId)).toEqual([{ id: owner.userId }]);
  });
});

describe('at the same time', () => {
  it('two admins who remove each other: one stays', async () => {
    for (let round = 0; round < 5; round += 1) {
      const { orgId, admin, member: second } = await cast();
      await owner.put(`/api/v1/orgs/${orgId}/members/${second.userId}/role`, { role: 'admin' });
      const answers = await Promise.all([
        admin.delete(`/api/v1/orgs/${orgId}/members/${second.userId}`),
        second.delete(`/api/v1/orgs/${orgId}/members/${admin.userId}`),
      ]);
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 404]);
    }
  });

  it('demotions, removals, departures and a hand-over leave exactly one owner', async () => {
    for (let round = 0; round < 8; round += 1) {
      const { orgId, admin, member: second } = await cast();
      await owner.put(`/api/v1/orgs/${orgId}/members/${second.userId}/role`, { role: 'admin' });
      const offer = await owner.post(`/api/v1/orgs/${orgId}/owner/transfer`, { to_user_id: admin.userId });
      const accept = `/api/v1/orgs/${orgId}/owner/transfer/${offer.body.transfer_id}/accept`;
      const role = (who: TestAccount): string => `/api/v1/orgs/${orgId}/members/${who.userId}/role`;
      const answers = await Promise.all([
        admin.post(accept),
        new Client(other.url, admin.key).post(accept),
        owner.put(role(admin), { role: 'member' }),
        second.put(role(owner), { role: 'member' }),
        second.put(role(admin), { role: 'member' }),
        second.delete(`/api/v1/orgs/${orgId}/members/${owner.userId}`),
        owner.post(`/api/v1/orgs/${orgId}/leave`),
        admin.post(`/api/v1/orgs/${orgId}/leave`),
      ]);
      expect(answers.filter(({ status }) => status >= 500)).toEqual([]);
      expect(answers.slice(0, 2).filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1);
      expect(await ownersOf(orgId)).toHaveLength(1);
    }
  });
});
