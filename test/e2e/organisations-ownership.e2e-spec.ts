import { PeriodicTasks } from '#platform';
import { moveClock } from '../support/clock.js';
import { type Answer, signUp, type TestAccount } from '../support/client.js';
import { addMember, createOrg } from '../support/organisations.js';
import { sql } from '../support/pinned-sessions.js';
import { startTestServer, type TestServer } from '../support/server.js';

const DAY_MS = 86_400_000;

let server: TestServer;
let owner: TestAccount;
let admin: TestAccount;
let member: TestAccount;
let orgId: string;
let path: string;

beforeAll(async () => {
  server = await startTestServer();
});

afterAll(async () => {
  await server.close();
});

beforeEach(async () => {
  owner = await signUp(server, 'owner');
  admin = await signUp(server, 'admin');
  member = await signUp(server, 'member');
  ({ orgId } = await createOrg(owner));
  await addMember(server, orgId, admin, 'admin');
  await addMember(server, orgId, member, 'member');
  path = `/api/v1/orgs/${orgId}/owner/transfer`;
});

const offer = (to = admin): Promise<Answer> => owner.post(path, { to_user_id: to.userId });
const ownersOf = (): Promise<{ id: string }[]> =>
  sql(server, `select user_id as id from org_member where org_id = $1 and role = 'owner'`, [orgId]);
const auditOf = async (): Promise<string[]> => {
  const rows = await sql<{ action: string }>(
    server,
    `select action from audit where subject_id = $1 and action like 'org.owner%' order by id`,
    [orgId],
  );
  return rows.map(({ action }) => action);
};

describe('offering the ownership', () => {
  it('is shown to every member until it is answered', async () => {
    expect((await member.get(path)).body).toEqual({ pending: false });
    const offered = await offer();
    expect(offered).toMatchObject({
      status: 200,
      body: { org_id: orgId, from_user_id: owner.userId, to_user_id: admin.userId, status: 'pending' },
    });
    expect(offered.body.transfer_id).toEqual(expect.any(Number));
    const { created_at: created, expires_at: expires } = offered.body;
    expect(Date.parse(expires) - Date.parse(created)).toBe(7 * DAY_MS);
    expect((await member.get(path)).body).toEqual(offered.body);
  });

  it('is the owner’s, to one admin at a time', async () => {
    for (const caller of [admin, member]) {
      expect(await caller.post(path, { to_user_id: admin.userId })).toMatchObject({
        status: 403,
        body: { error: { details: { error: 'insufficient_role', required_role: 'owner' } } },
      });
    }
    expect((await offer(member)).status).toBe(400);
    expect((await offer(owner)).status).toBe(400);
    expect((await offer(await signUp(server))).status).toBe(404);
    expect((await offer()).status).toBe(200);
    expect((await offer()).status).toBe(409);
  });

  it('of one slot is won by one of several at once', async () => {
    const answers = await Promise.all(Array.from({ length: 6 }, () => offer()));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array<number>(5).fill(409)]);
  });

  it.each([[{}], [{ to_user_id: 7 }], [{ to_user_id: 'nobody' }], [{ to_user_id: 'a\0b' }], [{ to_user_id: null }]])(
    'refuses the body %j with 422',
    async (body) => {
      expect((await owner.post(path, body)).status).toBe(422);
    },
  );
});

describe('accepting it', () => {
  it('makes the admin the owner and the owner an admin', async () => {
    const { body } = await offer();
    const accept = `${path}/${body.transfer_id}/accept`;
    for (const caller of [owner, member]) expect((await caller.post(accept)).status).toBe(403);
    expect(await admin.post(accept)).toEqual(
      expect.objectContaining({
        status: 200,
        body: { status: 'accepted', org_id: orgId, from_user_id: owner.userId, to_user_id: admin.userId },
      }),
    );
    expect((await admin.post(accept)).status).toBe(409);
    expect(await ownersOf()).toEqual([{ id: admin.userId }]);
    expect((await owner.get(`/api/v1/orgs/${orgId}`)).body.current_user_role).toBe('admin');
    expect(await auditOf()).toEqual(['org.owner_transfer_initiated', 'org.owner_transferred']);
    expect((await owner.post(`/api/v1/orgs/${orgId}/leave`)).status).toBe(200);
  });

  it('is refused once the roles it was made for are gone', async () => {
    const { body } = await offer();
    await owner.put(`/api/v1/orgs/${orgId}/members/${admin.userId}/role`, { role: 'member' });
    expect(await admin.post(`${path}/${body.transfer_id}/accept`)).toMatchObject({ status: 409 });
    expect(await ownersOf()).toEqual([{ id: owner.userId }]);
  });

  it('happens once, however often it is sent', async () => {
    const { body } = await offer();
    const accepts = Array.from({ length: 8 }, () => admin.post(`${path}/${body.transfer_id}/accept`));
    expect((await Promise.all(accepts)).map(({ status }) => status).sort()).toEqual([
      200,
      ...Array<number>(7).fill(409),
    ]);
    expect(await ownersOf()).toEqual([{ id: admin.userId }]);
  });

  it('and cancelling at once: one of the two', async () => {
    for (let round = 0; round < 5; round += 1) {
      const { body } = await offer();
      const [accepted, cancelled] = await Promise.all([
        admin.post(`${path}/${body.transfer_id}/accept`),
        owner.post(`${path}/${body.transfer_id}/cancel`),
      ]);
      expect([accepted.status, cancelled.status].sort()).toEqual(
        accepted.status === 200 ? [200, expect.any(Number)] : [200, 409],
      );
      expect([accepted.status, cancelled.status].filter((status) => status === 200)).toHaveLength(1);
      expect(await ownersOf()).toHaveLength(1);
      if (accepted.status === 200) [owner, admin] = [admin, owner];
    }
  });
});

describe('an offer', () => {
  it('is cancelled by either side and nobody else', async () => {
    const first = `${path}/${(await offer()).body.transfer_id}/cancel`;
    expect((await member.post(first)).status).toBe(403);
    expect((await admin.post(first)).body).toMatchObject({ status: 'cancelled' });
    expect((await owner.post(first)).status).toBe(409);
    const second = (await offer()).body.transfer_id as number;
    expect((await owner.post(`${path}/${second}/cancel`)).body).toEqual({ status: 'cancelled', transfer_id: second });
    expect((await member.get(path)).body).toEqual({ pending: false });
  });

  it('is cancelled when the one it was made to is removed', async () => {
    const { body } = await offer();
    await owner.delete(`/api/v1/orgs/${orgId}/members/${admin.userId}`);
    expect((await owner.get(path)).body).toEqual({ pending: false });
    expect((await owner.post(`${path}/${body.transfer_id}/cancel`)).status).toBe(409);
  });

  it('of another organisation, or none, is unknown', async () => {
    const { body } = await offer();
    const mine = await createOrg(admin);
    for (const id of ['0', '-1', '1e3', 'x', '9'.repeat(40), 'x'.repeat(9_000), String(body.transfer_id)]) {
      for (const verb of ['accept', 'cancel']) {
        const answer = await admin.post(`/api/v1/orgs/${mine.orgId}/owner/transfer/${id}/${verb}`);
        expect(answer).toMatchObject({ status: 404, body: { error: { message: 'Owner transfer not found' } } });
      }
    }
    const stranger = await signUp(server);
    const calls = [
      stranger.get(path),
      stranger.post(path, { to_user_id: admin.userId }),
      stranger.post(`${path}/${body.transfer_id}/accept`),
      stranger.post(`${path}/${body.transfer_id}/cancel`),
    ];
    for (const answer of await Promise.all(calls)) {
      expect(answer).toMatchObject({ status: 404, body: { error: { message: 'Organization not found' } } });
    }
  });

  it('ends after seven days, whoever notices first', async () => {
    const { body } = await offer();
    moveClock([server], 7 * DAY_MS + 1_000);
    expect(await admin.post(`${path}/${body.transfer_id}/accept`)).toMatchObject({
      status: 409,
      body: { error: { details: { status: 'expired' } } },
    });
    expect(await ownersOf()).toEqual([{ id: owner.userId }]);
    expect((await offer()).status).toBe(200);
    moveClock([server], 7 * DAY_MS + 1_000);
    expect((await member.get(path)).body).toEqual({ pending: false });
    expect((await offer()).status).toBe(200);
    moveClock([server], 7 * DAY_MS + 1_000);
    await server.app.get(PeriodicTasks).runNow('owner-transfers.expire');
    const rows = await sql(server, 'select status from owner_transfer where org_id = $1', [orgId]);
    expect(rows).toEqual(Array(3).fill({ status: 'expired' }));
    expect((await auditOf()).filter((action) => action === 'org.owner_transfer_expired')).toHaveLength(3);
  });
});
