import { InvitesService } from '../../libs/accounts/src/index.js';
import { signUp, type TestAccount } from '../support/client.js';
import { accept, invite, invitee } from '../support/invites.js';
import { type ReceivedMail, type SmtpPeer, startSmtpPeer } from '../support/peers/smtp.js';
import { createOrg } from '../support/organisations.js';
import { eventually, sql } from '../support/pinned-sessions.js';
import { startTestServer, type TestServer } from '../support/server.js';

let peer: SmtpPeer;
let server: TestServer;
let owner: TestAccount;
let orgId: string;

beforeAll(async () => {
  peer = await startSmtpPeer();
  const SMTP_URL = `smtp://127.0.0.1:${peer.port}`;
  server = await startTestServer({ LOG_LEVEL: 'silent', SMTP_URL, PUBLIC_URL: 'https://code.example.org' });
});

beforeEach(async () => {
  owner = await signUp(server, 'owner');
  ({ orgId } = await createOrg(owner, 'Größe & Co'));
});

afterAll(async () => {
  await server.close();
  await peer.close();
});

const failure = (status: number, message: string, details: object = {}): object => ({
  status,
  body: { error: { code: String(status), message, details } },
});

const expire = (inviteId: string): Promise<unknown> =>
  sql(server, `update org_invite set expires_at = now() - interval '1 second' where id = $1`, [inviteId]);

const setVerified = (who: TestAccount, isVerified: boolean): Promise<unknown> =>
  sql(server, 'update app_user set email_verified = $2 where id = $1', [who.userId, isVerified]);

async function isVerified(who: TestAccount): Promise<boolean> {
  return (await who.get('/api/v1/auth/me')).body.email_verified as boolean;
}

describe('accepting', () => {
  it('makes a member with the role of the invite, who is written down', async () => {
    const guest = await invitee(server);
    const inviteId = await invite(owner, orgId, guest.email, 'admin');
    expect(await accept(guest, inviteId)).toMatchObject({ status: 200, body: { org_id: orgId, role: 'admin' } });
    const { body } = await guest.get(`/api/v1/orgs/${orgId}`);
    expect(body.current_user_role).toBe('admin');
    expect(body.members).toHaveLength(2);
    const audit = await sql(
      server,
      `select action from audit where subject_id = $1 and actor_user_id = $2 and action like 'org.member%'`,
      [orgId, guest.userId],
    );
    expect(audit).toEqual([{ action: 'org.member_joined' }]);
    expect(
      await sql(server, `select from revocation where kind = 'user' and subject_id = $1`, [guest.userId]),
    ).toHaveLength(1);
  });

  it('works for people who are in other organisations already', async () => {
    const guest = await invitee(server);
    await createOrg(guest);
    await accept(guest, await invite(owner, orgId, guest.email));
    expect((await guest.get('/api/v1/orgs')).body.orgs).toHaveLength(2);
  });

  it('is for the invited address alone', async () => {
    const guest = await invitee(server);
    const inviteId = await invite(owner, orgId, guest.email);
    expect(await accept(await invitee(server), inviteId)).toMatchObject(
      failure(403, 'This invite is for a different email address'),
    );
  });

  it('is refused once the invite was answered or has expired', async () => {
    const [joined, refusing, late] = [await invitee(server), await invitee(server), await invitee(server)];
    const [a, b, c] = [
      await invite(owner, orgId, joined.email),
      await invite(owner, orgId, refusing.email),
      await invite(owner, orgId, late.email),
    ];
    await accept(joined, a);
    await refusing.post(`/api/v1/org/invite/${b}/decline`);
    await expire(c);
    expect(await accept(joined, a)).toMatchObject(failure(400, 'Invite has already been accepted'));
    expect(await accept(refusing, b)).toMatchObject(failure(400, 'Invite has been declined'));
    expect(await accept(late, c)).toMatchObject(failure(400, 'Invite has expired'));
    expect(await accept(late, 'inv_0123456789abcdef')).toMatchObject(failure(404, 'Invite not found'));
  });

  it('is refused to members', async () => {
    const guest = await invitee(server);
    const inviteId = await invite(owner, orgId, guest.email);
    await sql(server, `insert into org_member (org_id, user_id, role) values ($1, $2, 'member')`, [
      orgId,
      guest.userId,
    ]);
    expect(await accept(guest, inviteId)).toMatchObject(failure(409, 'You are already a member of this organization'));
  });

  it('is refused to somebody who was deactivated a moment ago', async () => {
    const guest = await invitee(server);
    const inviteId = await invite(owner, orgId, guest.email);
    await guest.get('/api/v1/org/invites/me');
    // Without the row that tells the nodes: the key still passes, as it may on a node that has not heard yet.
    await sql(server, 'update app_user set is_active = false where id = $1', [guest.userId]);
    expect(await accept(guest, inviteId)).toMatchObject(failure(403, 'User account is inactive'));
    expect(await sql(server, 'select from org_member where user_id = $1', [guest.userId])).toEqual([]);
  });

  it('is refused when the limit was lowered meanwhile, with the numbers', async () => {
    const guest = await invitee(server);
    const inviteId = await invite(owner, orgId, guest.email);
    await sql(server, 'update organisation set seats_limit = 1 where id = $1', [orgId]);
    const refused = await accept(guest, inviteId);
    expect(refused.status).toBe(403);
    expect(refused.body.error.details).toEqual({ error: 'seat_limit', seats_used: 1, seats_limit: 1 });
    await sql(server, 'update organisation set seats_limit = 2 where id = $1', [orgId]);
    expect((await accept(guest, inviteId)).status).toBe(200);
  });

  it.each([{ token: 7 }, { token: ['x'] }, { token: 'x'.repeat(101) }, []])(
    'refuses the body %j with 422',
    async (body) => {
      const guest = await invitee(server);
      const inviteId = await invite(owner, orgId, guest.email);
      expect((await guest.post(`/api/v1/org/invite/${inviteId}/accept`, body)).status).toBe(422);
    },
  );
});

describe('declining', () => {
  it.each([
    ['nothing', undefined, null],
    ['no reason', {}, null],
    ['null', { reason: null }, null],
    ['blanks', { reason: '  ' }, null],
    ['reason', { reason: ' no time ' }, 'no time'],
    ['decline_reason', { decline_reason: 'not me' }, 'not me'],
  ])('takes %s', async (_, body, reason) => {
    const guest = await invitee(server);
    const inviteId = await invite(owner, orgId, guest.email);
    const answer = await guest.post(`/api/v1/org/invite/${inviteId}/decline`, body);
    expect(answer).toMatchObject({ status: 200, body: { invite_id: inviteId } });
    expect(Date.parse(answer.body.declined_at)).not.toBeNaN();
    const [row] = await sql<{ decline_reason: string | null }>(server, 'select * from org_invite where id = $1', [
      inviteId,
    ]);
    expect(row!.decline_reason).toBe(reason);
    expect((await owner.get('/api/v1/org/invites')).body.invites).toEqual([]);
  });

  it.each([{ reason: 7 }, { reason: 'a\0b' }, { reason: 'x'.repeat(1001) }, { decline_reason: {} }])(
    'refuses the body %j with 422',
    async (body) => {
      const guest = await invitee(server);
      const inviteId = await invite(owner, orgId, guest.email);
      expect((await guest.post(`/api/v1/org/invite/${inviteId}/decline`, body)).status).toBe(422);
    },
  );

  it('is for the invited address, once', async () => {
    const [guest, other] = [await invitee(server), await invitee(server)];
    const inviteId = await invite(owner, orgId, guest.email);
    const path = `/api/v1/org/invite/${inviteId}/decline`;
    expect(await other.post(path)).toMatchObject(failure(403, 'This invite is for a different email address'));
    expect((await guest.post(path)).status).toBe(200);
    expect(await guest.post(path)).toMatchObject(failure(400, 'Invite has been declined'));
    expect((await guest.post('/api/v1/org/invite/inv_0123456789abcdef/decline')).status).toBe(404);
  });
});

describe('my invites', () => {
  it('are those that wait for my address, newest first', async () => {
    const guest = await invitee(server);
    await setVerified(guest, true);
    const other = await signUp(server, 'other');
    const { orgId: otherOrg } = await createOrg(other, 'Other');
    const { orgId: thirdOrg } = await createOrg(other, 'Third');
    const first = await invite(owner, orgId, guest.email);
    const second = await invite(other, otherOrg, guest.email, 'admin');
    await expire(await invite(other, thirdOrg, guest.email));
    const { body } = await guest.get('/api/v1/org/invites/me');
    expect(body.invites).toMatchObject([
      { invite_id: second, org_id: otherOrg, org_name: 'Other', role: 'admin' },
      { invite_id: first, org_id: orgId, org_name: 'Größe & Co', role: 'member' },
    ]);
    expect(Object.keys(body.invites[0]).sort()).toEqual(
      ['invite_id', 'org_id', 'org_name', 'role', 'invited_by_email', 'created_at', 'expires_at'].sort(),
    );
    expect((await other.get('/api/v1/org/invites/me')).body).toEqual({ invites: [] });
  });

  it('do not name their ids while the address is unverified: anybody could have signed up with it', async () => {
    const guest = await invitee(server);
    await invite(owner, orgId, guest.email);
    const { body } = await guest.get('/api/v1/org/invites/me');
    expect(body.invites).toMatchObject([{ invite_id: null, org_name: 'Größe & Co' }]);
    expect(JSON.stringify(body)).not.toContain('inv_');
  });
});

describe('the mail of an invite', () => {
  /** Signing up is answered by mail too. */
  const invitesTo = (email: string): ReceivedMail[] =>
    peer.mailTo(email).filter(({ subject }) => subject?.includes(' invites you to '));

  /** What the mail tells its reader to send. */
  async function readMail(email: string): Promise<{ id: string; token: string; text: string }> {
    const mail = await eventually(async () => invitesTo(email).at(-1));
    const text = mail.text ?? '';
    const [, id = '', token = ''] = /invite\/(inv_\w+)\/accept .*"token":"(\w+)"/.exec(text) ?? [];
    await eventually(async () => {
      const [row] = await sql(server, 'select from mail where recipient = $1 and next_try_at is not null', [email]);
      return !row;
    });
    return { id, token, text };
  }

  it('says who invites where, and what it tells to send makes a member with a verified address', async () => {
    const guest = await invitee(server);
    await invite(owner, orgId, guest.email);
    const { id, token, text } = await readMail(guest.email);
    expect(invitesTo(guest.email)[0]!.subject).toMatch(/^owner-.* invites you to Größe & Co$/);
    expect(text).toContain(`https://code.example.org/api/v1/org/invite/${id}/accept`);
    expect(invitesTo(guest.email)[0]!.html).toContain('Größe &amp; Co');
    expect(await isVerified(guest)).toBe(false);
    expect((await accept(guest, id, { token })).status).toBe(200);
    expect(await isVerified(guest)).toBe(true);
  });

  it('is what verifies: the id alone, a wrong token or that of another invite do not', async () => {
    const [plain, wrong, foreign] = [await invitee(server), await invitee(server), await invitee(server)];
    await invite(owner, orgId, plain.email);
    await invite(owner, orgId, wrong.email);
    await invite(owner, orgId, foreign.email);
    const { id, token } = await readMail(plain.email);
    expect((await accept(plain, id)).status).toBe(200);
    expect((await accept(wrong, (await readMail(wrong.email)).id, { token: 'x'.repeat(32) })).status).toBe(200);
    expect((await accept(foreign, (await readMail(foreign.email)).id, { token })).status).toBe(200);
    for (const guest of [plain, wrong, foreign]) expect(await isVerified(guest)).toBe(false);
  });

  it('has no token that the organisation could read', async () => {
    const guest = await invitee(server);
    await invite(owner, orgId, guest.email);
    const { token } = await readMail(guest.email);
    const [row] = await sql<{ text: string }>(
      server,
      'select org_invite::text as text from org_invite where email = $1',
      [guest.email],
    );
    expect(row!.text).not.toContain(token);
    expect(JSON.stringify((await owner.get('/api/v1/org/invites')).body)).not.toContain(token);
  });

  it('shows admins what became of it, and can be sent again with a new token', async () => {
    const guest = await invitee(server);
    peer.treat(guest.email, { at: 'rcpt', code: 550, text: '5.1.1 unknown' });
    const inviteId = await invite(owner, orgId, guest.email);
    const status = async (): Promise<string> => (await owner.get('/api/v1/org/invites')).body.invites[0].email_status;
    await eventually(async () => (await status()) === 'failed');
    peer.treat(guest.email, null);
    await sql(server, `update org_invite set last_emailed_at = now() - interval '2 minutes' where id = $1`, [inviteId]);
    const resent = await owner.post(`/api/v1/orgs/${orgId}/invites/${inviteId}/resend`);
    expect(resent).toMatchObject({ status: 200, body: { invite_id: inviteId, email: guest.email, sent: true } });
    await eventually(async () => (await status()) === 'sent');
    const { id, token } = await readMail(guest.email);
    expect(id).toBe(inviteId);
    await accept(guest, id, { token });
    expect(await isVerified(guest)).toBe(true);
  });

  it('is not sent any more when the invite is revoked before it could be', async () => {
    const guest = await invitee(server);
    peer.treat(guest.email, { at: 'rcpt', code: 451, text: '4.7.1 later' });
    const inviteId = await invite(owner, orgId, guest.email);
    const waiting = (): Promise<unknown[]> =>
      sql(server, `select from mail where recipient = $1 and template = 'invite'`, [guest.email]);
    expect(await waiting()).toHaveLength(1);
    await owner.delete(`/api/v1/orgs/${orgId}/invites/${inviteId}`);
    expect(await waiting()).toEqual([]);
  });
});

describe('whether an address has a live invite', () => {
  it('is known to the sign-up', async () => {
    const invites = server.app.get(InvitesService);
    const [pending, expired] = ['pending@example.net', 'expired@example.net'];
    await invite(owner, orgId, pending);
    await expire(await invite(owner, orgId, expired));
    expect(await invites.hasLiveInvite(pending)).toBe(true);
    expect(await invites.hasLiveInvite(expired)).toBe(false);
    expect(await invites.hasLiveInvite('nobody@example.net')).toBe(false);
  });
});
