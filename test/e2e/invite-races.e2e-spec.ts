import { type Answer, Client, signUp, type TestAccount } from '../support/client.js';
import { accept, invite, invitee, type Invitee } from '../support/invites.js';
import { createOrg } from '../support/organisations.js';
import { sql } from '../support/pinned-sessions.js';
import { startOn, startTestServer, type TestServer } from '../support/server.js';

const CROWD = 20;

let server: TestServer;
let other: TestServer;
let owner: TestAccount;
let orgId: string;

beforeAll(async () => {
  server = await startTestServer({ LOG_LEVEL: 'silent' });
  other = await startOn(server.databaseUrl, server.dataDir, { LOG_LEVEL: 'silent' });
});

beforeEach(async () => {
  owner = await signUp(server, 'owner');
  ({ orgId } = await createOrg(owner));
});

afterAll(async () => {
  await other.close();
  await server.close();
});

const statuses = (answers: readonly Answer[]): number[] => answers.map(({ status }) => status).sort((a, b) => a - b);

async function memberCount(): Promise<number> {
  return (await sql(server, 'select from org_member where org_id = $1', [orgId])).length;
}

/** Every second request goes through the other server. */
const spread = (who: Client, index: number): Client => (index % 2 === 0 ? who : new Client(other.url, who.key));

const crowd = (): Promise<Invitee[]> => Promise.all(Array.from({ length: CROWD }, () => invitee(server)));

describe('twenty at once', () => {
  it('accepts of one invite make one membership', async () => {
    const guest = await invitee(server);
    const inviteId = await invite(owner, orgId, guest.email);
    const answers = await Promise.all(
      Array.from({ length: CROWD }, (_, index) => accept(spread(guest, index), inviteId)),
    );
    expect(statuses(answers)).toEqual([200, ...Array<number>(CROWD - 1).fill(400)]);
    expect(await memberCount()).toBe(2);
    const joined = await sql(
      server,
      `select from event where subject_id = $1 and type = 'organisation.member_joined'`,
      [orgId],
    );
    expect(joined).toHaveLength(1);
  });

  it('accepts into two free seats make two members', async () => {
    const guests = await crowd();
    const ids = await Promise.all(guests.map((guest) => invite(owner, orgId, guest.email)));
    await sql(server, 'update organisation set seats_limit = 3 where id = $1', [orgId]);
    const answers = await Promise.all(guests.map((guest, index) => accept(spread(guest, index), ids[index]!)));
    expect(statuses(answers)).toEqual([200, 200, ...Array<number>(CROWD - 2).fill(403)]);
    for (const { status, body } of answers) {
      if (status === 403) expect(body.error.details).toMatchObject({ error: 'seat_limit', seats_limit: 3 });
    }
    expect(await memberCount()).toBe(3);
  });

  it('invites into two free seats promise two', async () => {
    await sql(server, 'update organisation set seats_limit = 3 where id = $1', [orgId]);
    const answers = await Promise.all(
      Array.from({ length: CROWD }, (_, index) =>
        owner.post('/api/v1/org/invite', { email: `crowd${index}-${orgId}@example.com` }),
      ),
    );
    expect(statuses(answers)).toEqual([200, 200, ...Array<number>(CROWD - 2).fill(403)]);
    expect((await owner.get('/api/v1/org/invites')).body.invites).toHaveLength(2);
  });

  it('invites of one address make one invite', async () => {
    const email = `one-${orgId}@example.com`;
    const answers = await Promise.all(Array.from({ length: CROWD }, () => owner.post('/api/v1/org/invite', { email })));
    expect(statuses(answers)).toEqual([200, ...Array<number>(CROWD - 1).fill(409)]);
    expect(await sql(server, 'select from mail where recipient = $1', [email])).toHaveLength(1);
  });
});

describe('accepting against revoking', () => {
  it('either makes a member or finds no invite', async () => {
    const guests = await crowd();
    const ids = await Promise.all(guests.map((guest) => invite(owner, orgId, guest.email)));
    const outcomes = await Promise.all(
      guests.map(async (guest, index) => {
        const inviteId = ids[index]!;
        const revoke = (): Promise<Answer> => owner.delete(`/api/v1/orgs/${orgId}/invites/${inviteId}`);
        const both = [() => accept(spread(guest, index), inviteId), revoke];
        const [first, second] = index % 3 === 0 ? both : [...both].reverse();
        const answers = await Promise.all([first!(), second!()]);
        const [accepted, revoked] = index % 3 === 0 ? answers : [...answers].reverse();
        expect(revoked!.status).toBe(200);
        expect([200, 404]).toContain(accepted!.status);
        return accepted!.status;
      }),
    );
    expect(await memberCount()).toBe(1 + outcomes.filter((status) => status === 200).length);
    expect(await sql(server, 'select from org_invite where org_id = $1', [orgId])).toEqual([]);
  });
});

describe('accepting against declining', () => {
  it('ends as one of both', async () => {
    const guests = await crowd();
    const ids = await Promise.all(guests.map((guest) => invite(owner, orgId, guest.email)));
    const accepted = await Promise.all(
      guests.map(async (guest, index) => {
        const decline = guest.post(`/api/v1/org/invite/${ids[index]!}/decline`);
        const answers = [await accept(spread(guest, index), ids[index]!), await decline];
        expect(statuses(answers)).toEqual([200, 400]);
        return answers[0]!.status === 200;
      }),
    );
    expect(await memberCount()).toBe(1 + accepted.filter(Boolean).length);
    const settled = await sql(
      server,
      'select from org_invite where org_id = $1 and num_nonnulls(accepted_at, declined_at) = 1',
      [orgId],
    );
    expect(settled).toHaveLength(CROWD);
  });
});
