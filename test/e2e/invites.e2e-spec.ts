import type { Answer } from '../support/client.js';
import { signUp, type TestAccount } from '../support/client.js';
import { accept, invite, invitee } from '../support/invites.js';
import { addMember, createOrg } from '../support/organisations.js';
import { sql } from '../support/pinned-sessions.js';
import { startTestServer, type TestServer } from '../support/server.js';

interface InviteRow {
  readonly id: string;
  readonly created_at: Date;
  readonly expires_at: Date;
  readonly mail_id: string;
}

let server: TestServer;
let owner: TestAccount;
let orgId: string;
let addresses = 0;

beforeAll(async () => {
  server = await startTestServer({ LOG_LEVEL: 'silent' });
});

beforeEach(async () => {
  owner = await signUp(server, 'owner');
  ({ orgId } = await createOrg(owner));
});

afterAll(async () => {
  await server.close();
});

const address = (): string => `guest${(addresses += 1)}@example.com`;

async function setSeats(seats: number): Promise<void> {
  await sql(server, 'update organisation set seats_limit = $2 where id = $1', [orgId, seats]);
}

async function rowOf(email: string): Promise<InviteRow> {
  const [row] = await sql<InviteRow>(server, 'select * from org_invite where org_id = $1 and email = $2', [
    orgId,
    email,
  ]);
  return row!;
}

/** As if the invite were older: its end and its last mail move into the past. */
const age = (inviteId: string, interval: string): Promise<unknown> =>
  sql(
    server,
    `update org_invite set expires_at = expires_at - $2::interval, created_at = created_at - $2::interval,
            last_emailed_at = last_emailed_at - $2::interval where id = $1`,
    [inviteId, interval],
  );

const failure = (status: number, message: string, details: object = {}): object => ({
  status,
  body: { error: { code: String(status), message, details } },
});

describe('inviting', () => {
  it.each([
    ['singular', () => '/api/v1/org/invite'],
    ['plural', () => `/api/v1/orgs/${orgId}/invite`],
    ['members', () => `/api/v1/orgs/${orgId}/members/invite`],
  ])('works on the %s path and answers id, address as stored and role', async (_, path) => {
    const email = address();
    const answer = await owner.post(path(), { email: ` ${email.toUpperCase()} `, role: 'admin', unknown: 1 });
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({ invite_id: expect.stringMatching(/^inv_[0-9a-f]{16}$/), email, role: 'admin' });
    const row = await rowOf(email);
    expect(row.id).toBe(answer.body.invite_id);
    expect(row.expires_at.getTime() - row.created_at.getTime()).toBe(7 * 86_400_000);
    expect((await owner.post(path(), { email: address() })).body).toMatchObject({ role: 'member' });
  });

  it('queues its mail in the same transaction', async () => {
    const email = address();
    await invite(owner, orgId, email);
    const mails = await sql(server, 'select id, template from mail where recipient = $1', [email]);
    expect(mails).toEqual([{ id: (await rowOf(email)).mail_id, template: 'invite' }]);
  });

  it.each([
    ['email', {}],
    ['email', { email: null }],
    ['email', { email: 7 }],
    ['email', { email: 'nope' }],
    ['email', { email: '' }],
    ['email', { email: 'a\0b@example.com' }],
    ['email', { email: 'a@example.com\r\nBcc: b@example.com' }],
    ['email', { email: ['a@example.com'] }],
    ['email', { email: `${'a'.repeat(300)}@example.com` }],
    ['email', { email: '"a b"@example.com' }],
    ['role', { email: 'a@example.com', role: 'owner' }],
    ['role', { email: 'a@example.com', role: 'boss' }],
    ['role', { email: 'a@example.com', role: '' }],
    ['role', { email: 'a@example.com', role: 7 }],
  ])('refuses a bad %s with 422 that names it: %j', async (field, body) => {
    for (const path of ['/api/v1/org/invite', `/api/v1/orgs/${orgId}/members/invite`]) {
      const answer = await owner.post(path, body);
      expect(answer.status).toBe(422);
      const { errors, field: named } = answer.body.error.details;
      expect(errors?.[0].loc ?? ['body', named]).toEqual(['body', field]);
    }
    expect((await owner.get(`/api/v1/orgs/${orgId}/invites`)).body).toEqual({ invites: [] });
  });

  it('takes an admin', async () => {
    const [member, boss, stranger] = [await signUp(server), await signUp(server), await signUp(server)];
    await addMember(server, orgId, member);
    await addMember(server, orgId, boss, 'admin');
    const details = { error: 'insufficient_role', current_role: 'member', required_role: 'admin' };
    for (const path of ['/api/v1/org/invite', `/api/v1/orgs/${orgId}/invite`]) {
      expect(await member.post(path, { email: address() })).toMatchObject(
        failure(403, 'This action requires the admin role.', details),
      );
      expect((await boss.post(path, { email: address() })).status).toBe(200);
    }
    expect(await stranger.post('/api/v1/org/invite', { email: address() })).toMatchObject(
      failure(403, 'This action requires an organization membership.', { current_role: 'none' }),
    );
    expect((await stranger.post(`/api/v1/orgs/${orgId}/invite`, { email: address() })).status).toBe(404);
  });

  it('is refused for a live invite and for a member', async () => {
    const guest = await invitee(server);
    const inviteId = await invite(owner, orgId, guest.email);
    const again = (): Promise<Answer> => owner.post(`/api/v1/orgs/${orgId}/invite`, { email: guest.email });
    expect(await again()).toMatchObject(failure(409, 'An active invite already exists for this email'));
    expect((await accept(guest, inviteId)).status).toBe(200);
    expect(await again()).toMatchObject(failure(409, 'This user is already a member'));
  });

  it('reserves the seat: members and pending invites together stay within the limit', async () => {
    await setSeats(3);
    const first = await invite(owner, orgId, address());
    await invite(owner, orgId, address());
    const full = await owner.post(`/api/v1/orgs/${orgId}/invite`, { email: address() });
    expect(full).toMatchObject({ status: 403 });
    expect(full.body.error.details).toEqual({ error: 'seat_limit', seats_used: 3, seats_limit: 3 });
    await owner.delete(`/api/v1/orgs/${orgId}/invites/${first}`);
    await invite(owner, orgId, address());
  });

  it('gives the seat of an expired invite to the next', async () => {
    await setSeats(2);
    await age(await invite(owner, orgId, address()), '8 days');
    await invite(owner, orgId, address());
  });

  it('stops after ten mails to one address within the hour, whoever sends them', async () => {
    const email = address();
    const mailed = (times: number): Promise<unknown> =>
      sql(
        server,
        `insert into mail (id, recipient, template, sent_at, sent_by, next_try_at)
         select gen_random_uuid(), $1, 'invite', now(), 'smtp', null from generate_series(1, $2)`,
        [email, times],
      );
    await mailed(9);
    const inviteId = await invite(owner, orgId, email);
    await owner.delete(`/api/v1/orgs/${orgId}/invites/${inviteId}`);
    await mailed(1);
    const refused = await owner.post(`/api/v1/orgs/${orgId}/invite`, { email });
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  });
});

describe('an organisation that invites and revokes', () => {
  it('mails a hundred times an hour at most, unless it has more seats to fill', async () => {
    const email = address();
    await sql(
      server,
      `insert into mail (id, recipient, template, origin, sent_at, sent_by, next_try_at)
       select gen_random_uuid(), 'x' || n || '@example.com', 'invite', $1, now(), 'smtp', null from generate_series(1, 100) n`,
      [orgId],
    );
    const refused = await owner.post('/api/v1/org/invite', { email });
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await sql(server, 'select from org_invite where email = $1', [email])).toEqual([]);
    await setSeats(51);
    expect((await owner.post('/api/v1/org/invite', { email })).status).toBe(200);
  });
});

describe('inviting again', () => {
  it.each([
    ['declined', async (id: string, guest: TestAccount) => void (await guest.post(`/api/v1/org/invite/${id}/decline`))],
    ['expired', async (id: string) => void (await age(id, '8 days'))],
    [
      'accepted by somebody who has left',
      async (id: string, guest: TestAccount) => {
        await accept(guest, id);
        await sql(server, 'delete from org_member where user_id = $1', [guest.userId]);
      },
    ],
  ])('replaces one that was %s: a new id, the old one dead, the first date kept', async (_, settle) => {
    const guest = await invitee(server);
    const old = await invite(owner, orgId, guest.email);
    await settle(old, guest);
    const { created_at: first } = await rowOf(guest.email);
    const next = await invite(owner, orgId, guest.email, 'admin');
    expect(next).not.toBe(old);
    const row = await rowOf(guest.email);
    expect(row).toMatchObject({ id: next, role: 'admin', accepted_at: null, declined_at: null, decline_reason: null });
    expect(row.created_at).toEqual(first);
    expect(row.expires_at.getTime()).toBeGreaterThan(Date.now() + 6 * 86_400_000);
    expect(await accept(guest, old)).toMatchObject(failure(404, 'Invite not found'));
    expect(await accept(guest, next)).toMatchObject({ status: 200, body: { org_id: orgId, role: 'admin' } });
  });
});

describe('the pending invites', () => {
  it('are listed newest first, without those that were settled', async () => {
    const guest = await invitee(server);
    const [a, b, c] = [address(), address(), address()];
    await accept(guest, await invite(owner, orgId, guest.email));
    const [first, second, third] = [
      await invite(owner, orgId, a),
      await invite(owner, orgId, b),
      await invite(owner, orgId, c, 'admin'),
    ];
    await age(second, '8 days');
    for (const path of ['/api/v1/org/invites', `/api/v1/orgs/${orgId}/invites`]) {
      const { body } = await owner.get(path);
      expect(body.invites.map(({ id }: { id: string }) => id)).toEqual([third, first]);
      expect(body.invites[0]).toMatchObject({ email: c, role: 'admin' });
      for (const time of ['created_at', 'expires_at', 'last_emailed_at']) {
        expect(body.invites[0][time]).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
      }
      expect(JSON.stringify(body)).not.toContain('token');
    }
  });

  it('are for admins', async () => {
    const member = await signUp(server);
    await addMember(server, orgId, member);
    expect((await member.get('/api/v1/org/invites')).status).toBe(403);
    expect((await member.get(`/api/v1/orgs/${orgId}/invites`)).status).toBe(403);
    expect((await (await signUp(server)).get('/api/v1/org/invites')).status).toBe(403);
  });
});

describe('revoking', () => {
  it.each([
    ['singular', () => '/api/v1/org/invites'],
    ['plural', () => `/api/v1/orgs/${orgId}/invites`],
  ])('on the %s path ends the invite, and a second time it is unknown', async (_, path) => {
    const guest = await invitee(server);
    const inviteId = await invite(owner, orgId, guest.email);
    expect(await owner.delete(`${path()}/${inviteId}`)).toMatchObject({ status: 200, body: { revoked: inviteId } });
    expect(await owner.delete(`${path()}/${inviteId}`)).toMatchObject(failure(404, 'Invite not found'));
    expect((await accept(guest, inviteId)).status).toBe(404);
  });

  it('leaves who accepted a member', async () => {
    const guest = await invitee(server);
    const inviteId = await invite(owner, orgId, guest.email);
    await accept(guest, inviteId);
    expect((await owner.delete(`/api/v1/orgs/${orgId}/invites/${inviteId}`)).status).toBe(200);
    expect((await guest.get(`/api/v1/orgs/${orgId}`)).status).toBe(200);
  });
});

describe('sending again', () => {
  const resend = (inviteId: string, who = owner): Promise<Answer> =>
    who.post(`/api/v1/orgs/${orgId}/invites/${inviteId}/resend`);

  it('queues another mail in the place of one that waits, and says whether it goes to a mail server', async () => {
    const email = address();
    const inviteId = await invite(owner, orgId, email);
    await age(inviteId, '2 minutes');
    const answer = await resend(inviteId);
    expect(answer).toMatchObject({ status: 200, body: { invite_id: inviteId, email, sent: false } });
    expect(Date.parse(answer.body.last_emailed_at)).toBeGreaterThan(Date.now() - 60_000);
    expect((await rowOf(email)).id).toBe(inviteId);
  });

  it('is refused within a minute of the last mail, with the time to wait', async () => {
    const inviteId = await invite(owner, orgId, address());
    const refused = await resend(inviteId);
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(30);
    await age(inviteId, '61 seconds');
    expect((await resend(inviteId)).status).toBe(200);
    expect((await resend(inviteId)).status).toBe(429);
  });

  it('is refused unless the invite is pending', async () => {
    const [joined, refusing] = [await invitee(server), await invitee(server)];
    const [accepted, declined, expired] = [
      await invite(owner, orgId, joined.email),
      await invite(owner, orgId, refusing.email),
      await invite(owner, orgId, address()),
    ];
    await accept(joined, accepted);
    await refusing.post(`/api/v1/org/invite/${declined}/decline`);
    await age(expired, '8 days');
    expect(await resend(accepted)).toMatchObject(failure(409, 'Invite has already been accepted'));
    expect(await resend(declined)).toMatchObject(failure(409, 'Invite has been declined'));
    expect(await resend(expired)).toMatchObject(failure(409, 'Invite has expired'));
    expect(await resend('inv_0123456789abcdef')).toMatchObject(failure(404, 'Invite not found'));
  });
});

describe("another organisation's invite", () => {
  it('can be neither seen, revoked nor sent again', async () => {
    const other = await signUp(server, 'other');
    const { orgId: otherOrg } = await createOrg(other);
    const email = address();
    const inviteId = await invite(owner, orgId, email);
    await age(inviteId, '2 minutes');
    for (const answer of [
      await other.delete(`/api/v1/org/invites/${inviteId}`),
      await other.delete(`/api/v1/orgs/${otherOrg}/invites/${inviteId}`),
      await other.delete(`/api/v1/orgs/${orgId}/invites/${inviteId}`),
      await other.post(`/api/v1/orgs/${otherOrg}/invites/${inviteId}/resend`),
      await other.post(`/api/v1/orgs/${orgId}/invites/${inviteId}/resend`),
      await other.get(`/api/v1/orgs/${orgId}/invites`),
    ]) {
      expect(answer.status).toBe(404);
    }
    expect((await other.get('/api/v1/org/invites')).body).toEqual({ invites: [] });
    expect((await rowOf(email)).id).toBe(inviteId);
  });
});

describe('ids of any shape', () => {
  const NASTY = ['x', 'inv_', 'inv_0123456789ABCDEF', 'inv_%00', "'", 'inv_0123456789abcdef%20', 'i'.repeat(10_000)];

  it.each(NASTY.map((id) => [id.slice(0, 40), id]))('are unknown, not errors: %s', async (_, id) => {
    for (const answer of [
      await owner.post(`/api/v1/org/invite/${id}/accept`),
      await owner.post(`/api/v1/org/invite/${id}/decline`),
      await owner.delete(`/api/v1/org/invites/${id}`),
      await owner.delete(`/api/v1/orgs/${orgId}/invites/${id}`),
      await owner.post(`/api/v1/orgs/${orgId}/invites/${id}/resend`),
      await owner.get(`/api/v1/orgs/${id}/invites`),
      await owner.post(`/api/v1/orgs/${id}/invite`, { email: address() }),
      await owner.post(`/api/v1/orgs/${id}/invites/inv_0123456789abcdef/resend`),
    ]) {
      expect([404, 422]).toContain(answer.status);
      expect(answer.body.error.code).toBe(String(answer.status));
    }
  });
});
