import { admin, Client, type TestAccount } from '../support/client.js';
import { moveClock } from '../support/clock.js';
import { at, eventsOf, handedOff, handOff, ownSession, type Person, person } from '../support/handoffs.js';
import { addMember, createOrg, setTier } from '../support/organisations.js';
import { sql } from '../support/pinned-sessions.js';
import { startTestServer, type TestServer } from '../support/server.js';

const HOUR = 3_600_000;
const FIELDS = [
  ...['id', 'session_id', 'sender_email', 'status', 'handoff_kind', 'recipient_session_id', 'recipient_email'],
  ...['recipient_user_id', 'recipient_team_id', 'message', 'session_title', 'session_tool', 'session_model_id'],
  ...['session_message_count', 'session_total_tokens', 'created_at', 'expires_at', 'claimed_at', 'revoked_at'],
  ...['viewed_at', 'ticket_id', 'persona_name', 'snapshot_ticket_title', 'snapshot_persona_name'],
  ...['revoked_by_user_id', 'revoke_reason', 'sender_tier_snapshot', 'attachments', 'comments', 'events'],
  ...['active_ticket_payload', 'dropped_attachments'],
];

let server: TestServer;
let root: Client;
let ann: Person;
let bo: Person;
let eve: Person;

beforeAll(async () => {
  server = await startTestServer();
  root = await admin(server);
  [ann, bo, eve] = [await person(server, 'ann'), await person(server, 'bo'), await person(server, 'eve')];
});

afterAll(async () => {
  await server.close();
});

const toBo = (): Promise<string> => handedOff(ann, { recipient_user_id: bo.userId });

/** A team of a new organisation with these members, who are all of its organisation. */
async function teamOf(owner: TestAccount, ...members: TestAccount[]): Promise<string> {
  const { orgId } = await createOrg(owner);
  const team = await owner.post('/api/v1/teams', { org_id: orgId, name: 'Parsers', slug: 'parsers' });
  for (const member of members) if (member !== owner) await addMember(server, orgId, member);
  for (const { userId } of members) {
    expect((await owner.post(`/api/v1/teams/${team.body.id}/members`, { user_id: userId })).status).toBe(201);
  }
  return team.body.id as string;
}

describe('handing off', () => {
  it('answers every field of the contract, a snapshot of the session, and an id that cannot be guessed', async () => {
    const session = await ownSession(ann, {
      model: { provider: 'p', model_id: 'demo-1' },
      stats: { message_count: 4, total_input_tokens: 910, total_output_tokens: 120 },
    });
    const { status, body } = await handOff(ann, session, {
      recipient_email: ` ${bo.email.toUpperCase()} `,
      message: 'go',
    });
    expect(status).toBe(201);
    expect(Object.keys(body).sort()).toEqual([...FIELDS].sort());
    expect(body).toMatchObject({
      ...{ session_id: session, sender_email: ann.email, recipient_email: bo.email, status: 'pending', message: 'go' },
      ...{ handoff_kind: 'individual', session_title: 'Teach the parser about tabs', session_tool: 'codex' },
      ...{ session_model_id: 'demo-1', session_message_count: 4, session_total_tokens: 1030 },
      ...{ sender_tier_snapshot: 'enterprise', attachments: [], comments: [], events: [], dropped_attachments: [] },
    });
    expect(body.id).toMatch(/^hnd_[0-9A-Za-z]{22}$/);
    expect(Date.parse(body.expires_at) - Date.parse(body.created_at)).toBe(168 * HOUR);
  });

  it('takes the time asked for, as far as the plan goes', async () => {
    const hours = async (wish: number): Promise<number> => {
      const { body } = await handOff(ann, await ownSession(ann), {
        recipient_email: 'x@ex.com',
        expires_in_hours: wish,
      });
      return (Date.parse(body.expires_at) - Date.parse(body.created_at)) / HOUR;
    };
    expect([await hours(1), await hours(2160)]).toEqual([1, 2160]);
    await setTier(root, ann, 'pro');
    expect([await hours(720), await hours(2160)]).toEqual([720, 720]);
    await setTier(root, ann, 'enterprise');
  });

  it('takes exactly one recipient; blanks are none', async () => {
    const session = await ownSession(ann);
    const both: Record<string, string> = { recipient_email: 'a@ex.com', recipient_user_id: bo.userId };
    for (const more of [{}, { recipient_email: ' ' }, both]) {
      const { status, body } = await handOff(ann, session, more);
      expect({ status, type: body.error.details.errors[0].type }).toEqual({ status: 422, type: 'value_error' });
    }
    expect((await handOff(ann, session, { recipient_email: bo.email, recipient_team_id: ' ' })).status).toBe(201);
  });

  it.each([
    ['recipient_email', 'no address'],
    ['recipient_email', `${'a'.repeat(250)}@ex.com`],
    ['message', 'x'.repeat(2001)],
    ['message', 'nul\0'],
    ['expires_in_hours', 0],
    ['expires_in_hours', 2161],
    ['expires_in_hours', 1.5],
    ['attachments', 'none'],
    ['ticket_id', 'tk_1'],
    ['persona_name', 'ada'],
  ])('refuses %s that is out of bounds or names nothing', async (field, value) => {
    const { status, body } = await handOff(ann, await ownSession(ann), { recipient_email: 'x@ex.com', [field]: value });
    expect({ status, at: body.error.details.field ?? body.error.details.errors[0].loc[1] }).toEqual({
      ...{ status: 422, at: field },
    });
  });

  it('needs attachments to be in the project of the session, which has none', async () => {
    const wish = { session_id: await ownSession(ann), recipient_email: 'x@ex.com' };
    const attach = (kind: string) => ann.post('/api/v1/handoffs', { ...wish, attachments: [{ kind, ref_id: '1' }] });
    expect(await attach('ticket')).toMatchObject({
      status: 422,
      body: { error: { details: { field: 'attachments' } } },
    });
    expect((await attach('other')).status).toBe(422);
  });

  it('knows only live sessions of the sender, and people and teams there are', async () => {
    const trashed = await ownSession(ann);
    await ann.delete(`/api/v1/sessions/${trashed}?scope=cloud`);
    for (const session of [trashed, await ownSession(bo), 'ses_0000000000000000', 'no id', '%00']) {
      const answer = await handOff(ann, session, { recipient_email: 'x@ex.com' });
      expect(answer).toMatchObject({ status: 404, body: { error: { message: 'Session not found' } } });
    }
    const own = await ownSession(ann);
    for (const user of ['00000000-0000-4000-8000-000000000000', 'nobody']) {
      expect(await handOff(ann, own, { recipient_user_id: user })).toMatchObject({
        ...{ status: 404, body: { error: { message: 'Recipient user not found' } } },
      });
    }
    const foreign = await teamOf(eve, eve);
    for (const team of [foreign, 'tm_0000000000000000', 'x']) {
      expect(await handOff(ann, own, { recipient_team_id: team })).toMatchObject({
        ...{ status: 404, body: { error: { message: 'Team not found' } } },
      });
    }
  });

  it('belongs to a plan, and handing to a team to a larger one', async () => {
    const session = await ownSession(ann);
    await setTier(root, ann, 'starter');
    expect(await handOff(ann, session, { recipient_email: 'x@ex.com' })).toMatchObject({
      ...{ status: 403, body: { error: { details: { error: 'upgrade_required', feature: 'handoff' } } } },
    });
    await setTier(root, ann, 'pro');
    expect(await handOff(ann, session, { recipient_team_id: 'tm_0000000000000000' })).toMatchObject({
      ...{ status: 403, body: { error: { details: { feature: 'team_handoff', required_tier: 'team' } } } },
    });
    await setTier(root, ann, 'enterprise');
  });
});

describe('the states of a handoff', () => {
  const acts = {
    claim: (id: string) => bo.post(at(id, '/claim')),
    revoke: (id: string) => ann.post(at(id, '/revoke'), { reason: 'wrong one' }),
    decline: (id: string) => bo.post(at(id, '/decline'), {}),
  };
  const messages = {
    claim: ['Handoff already claimed', 'Cannot revoke a claimed handoff', 'Cannot decline a claimed handoff'],
    revoke: ['claimed', 'revoked', 'declined'].map((done) => `Handoff is revoked and cannot be ${done}`),
    decline: ['claimed', 'revoked', 'declined'].map((done) => `Handoff is declined and cannot be ${done}`),
  };
  const states = { claim: 'claimed', revoke: 'revoked', decline: 'declined' };

  it.each(['claim', 'revoke', 'decline'] as const)('end with a %s: each later decision is 409', async (first) => {
    const id = await toBo();
    expect(await acts[first](id)).toMatchObject({ status: 200, body: { id, status: states[first] } });
    for (const [index, later] of (['claim', 'revoke', 'decline'] as const).entries()) {
      const { status, body } = await acts[later](id);
      expect([later, status, body.error.message]).toEqual([later, 409, messages[first][index]]);
    }
    expect((await bo.get(at(id))).body.status).toBe(states[first]);
    expect(await eventsOf(ann, id)).toEqual(['created', states[first], 'viewed']);
  });

  it('tell who revoked and why, and the event what a decliner said', async () => {
    const [revoked, declined] = [await toBo(), await toBo()];
    expect((await acts.revoke(revoked)).body).toMatchObject({
      ...{ revoked_by_user_id: ann.userId, revoke_reason: 'wrong one', revoked_at: expect.any(String) },
    });
    await bo.post(at(declined, '/decline'), { reason: ' busy ' });
    expect((await ann.get(at(declined, '/events'))).body.at(-1)).toMatchObject({
      ...{ event_type: 'declined', actor_user_id: bo.userId, payload: { reason: 'busy' } },
    });
    for (const body of [{}, { reason: '' }, { reason: ' ' }, { reason: 'x'.repeat(501) }, undefined]) {
      expect((await ann.post(at(revoked, '/revoke'), body)).status).toBe(422);
    }
  });

  it('belong to their side: the sender neither claims nor declines, the recipient does not revoke', async () => {
    const id = await toBo();
    for (const answer of [
      await ann.post(at(id, '/claim')),
      await ann.post(at(id, '/decline'), {}),
      await bo.post(at(id, '/revoke'), { reason: 'mine' }),
    ]) {
      expect(answer).toMatchObject({ status: 404, body: { error: { message: 'Handoff not found' } } });
    }
    const own = await handedOff(ann, { recipient_user_id: ann.userId });
    expect((await ann.post(at(own, '/claim'))).status).toBe(200);
  });

  it('are nothing to outsiders, whatever they are', async () => {
    const ids = [await toBo(), await toBo(), await toBo(), 'hnd_0000000000000000000000', 'x', 'y'.repeat(9_000)];
    await acts.claim(ids[0]!);
    await acts.revoke(ids[1]!);
    for (const id of ids) {
      const answers = [
        ...['', '/comments', '/events'].map((tail) => eve.get(at(id, tail))),
        ...['/claim', '/decline'].map((tail) => eve.post(at(id, tail), {})),
        eve.post(at(id, '/revoke'), { reason: 'x' }),
        eve.post(at(id, '/comments'), { content: 'x' }),
      ];
      for (const { status, body } of await Promise.all(answers)) {
        expect([id, status, body.error.message]).toEqual([id, 404, 'Handoff not found']);
      }
    }
    expect((await new Client(server.url, null).get(at(ids[0]!))).status).toBe(401);
  });
});

describe('recipients', () => {
  it('of an address are those whose address it is shown to be', async () => {
    const victim = await person(server, 'victim', false);
    const id = await handedOff(ann, { recipient_email: victim.email });
    expect((await victim.get('/api/v1/handoffs/inbox')).body.total).toBe(0);
    for (const answer of [await victim.get(at(id)), await victim.post(at(id, '/claim'))])
      expect(answer.status).toBe(404);
    await sql(server, 'update app_user set email_verified = true where email = $1', [victim.email]);
    expect((await victim.get('/api/v1/handoffs/inbox')).body.handoffs).toMatchObject([{ id }]);
    expect((await victim.post(at(id, '/claim'))).status).toBe(200);
  });

  it('of a team are its members of now; without it the handoff is an orphan', async () => {
    const late = await person(server, 'late');
    const team = await teamOf(ann, ann, bo);
    const { body: sent } = await handOff(ann, await ownSession(ann), { recipient_team_id: team });
    expect(sent).toMatchObject({ handoff_kind: 'team', recipient_team_id: team });
    expect((await late.get(at(sent.id))).status).toBe(404);
    expect((await bo.get(at(sent.id))).status).toBe(200);
    await ann.delete(`/api/v1/teams/${team}/members/${bo.userId}`);
    expect((await bo.post(at(sent.id, '/claim'))).status).toBe(404);
    expect((await ann.delete(`/api/v1/teams/${team}`)).status).toBe(204);
    expect((await ann.get(at(sent.id))).body).toMatchObject({ recipient_team_id: null, status: 'pending' });
  });

  it('of a team are handed things by its members only', async () => {
    const team = await teamOf(ann, bo);
    expect(await handOff(ann, await ownSession(ann), { recipient_team_id: team })).toMatchObject({
      ...{ status: 403, body: { error: { message: 'Sender must be a member of the recipient team' } } },
    });
  });

  it('are noted as having looked once', async () => {
    const id = await toBo();
    expect((await ann.get(at(id))).body.viewed_at).toBeNull();
    const looks = await Promise.all(Array.from({ length: 5 }, () => bo.get(at(id))));
    expect(new Set(looks.map(({ body }) => body.viewed_at)).size).toBe(1);
    expect((await ann.get(at(id))).body).toMatchObject({
      viewed_at: looks[0]!.body.viewed_at,
      events: [{ event_type: 'created' }, { event_type: 'viewed', actor_user_id: bo.userId, payload: {} }],
    });
  });
});

describe('the inbox and what was sent', () => {
  it('are answered whole in both slash forms, and page by page by number or cursor, newest first', async () => {
    const [from, to] = [await person(server, 'from'), await person(server, 'to')];
    const ids: string[] = [];
    for (let i = 0; i < 5; i += 1) ids.unshift(await handedOff(from, { recipient_user_id: to.userId }));
    for (const [party, box] of [
      [to, 'inbox'],
      [from, 'sent'],
    ] as const) {
      // prettier-ignore
      const path = `/api/v1/handoffs/${box}`;
      const listed = async (query: string) => (await party.get(path + query)).body;
      const idsOf = (body: { handoffs: { id: string }[] }): string[] => body.handoffs.map(({ id }) => id);
      for (const slash of ['', '/']) {
        const body = await listed(slash);
        expect([idsOf(body), body.total, body.has_more, body.next_cursor]).toEqual([ids, 5, false, null]);
      }
      const first = await listed('?limit=2');
      expect([idsOf(first), first.total, first.has_more]).toEqual([ids.slice(0, 2), 5, true]);
      const second = await listed(`?limit=2&cursor=${first.next_cursor}`);
      expect(idsOf(second)).toEqual(ids.slice(2, 4));
      expect(second).toEqual(await listed('?limit=2&page=2'));
      expect((await party.get(`${path}?limit=0`)).status).toBe(422);
      expect((await party.get(`${path}?cursor=zzz`)).status).toBe(422);
      expect((await party.get(`${path}?status=lost`)).status).toBe(422);
    }
    await to.post(at(ids[0]!, '/claim'));
    expect((await to.get('/api/v1/handoffs/inbox?status=claimed')).body).toMatchObject({
      total: 1,
      handoffs: [{ id: ids[0] }],
    });
    expect((await from.get('/api/v1/handoffs/sent?status=pending')).body.total).toBe(4);
  });

  it('leave teams out when asked to', async () => {
    const member = await person(server, 'member');
    const team = await teamOf(ann, ann, member);
    await handedOff(ann, { recipient_team_id: team });
    expect((await member.get('/api/v1/handoffs/inbox')).body.total).toBe(1);
    expect((await member.get('/api/v1/handoffs/inbox?include_team=false')).body.total).toBe(0);
  });
});

describe('comments and events', () => {
  it('are the parties’, in order, in any state, and kept as they were written', async () => {
    // What happens from here on has numbers that grow longer.
    await sql(server, "select setval(pg_get_serial_sequence('handoff_event', 'id'), 9998)");
    const id = await toBo();
    const said = ['<script>alert(1)</script>', 'if (a < b) &amp; c'];
    expect(await ann.post(at(id, '/comments'), { content: said[0]! })).toMatchObject({
      ...{ status: 201, body: { handoff_id: id, author_user_id: ann.userId, content: said[0] } },
    });
    await ann.post(at(id, '/revoke'), { reason: 'no' });
    const { body: second } = await bo.post(at(id, '/comments'), { content: said[1]! });
    expect(second.id).toMatch(/^hcm_[0-9a-f]{16}$/);
    const { body: comments } = await bo.get(at(id, '/comments'));
    expect(comments.map(({ content }: { content: string }) => content)).toEqual(said);
    expect((await bo.get(at(id, `/comments?after=${comments[0].id}`))).body).toEqual([second]);
    expect((await bo.get(at(id, '/comments?limit=-3'))).body).toHaveLength(1);
    const { body: events } = await ann.get(at(id, '/events?limit=1000'));
    expect(events.map(({ event_type }: { event_type: string }) => event_type)).toEqual([
      ...['created', 'commented', 'revoked', 'commented'],
    ]);
    expect((await ann.get(at(id, `/events?after=${events[2].id}`))).body).toEqual([events[3]]);
    expect(events[3].payload).toEqual({ comment_id: second.id });
    for (const content of ['', ' ', 'x'.repeat(10_001), 'nul\0', 7]) {
      expect((await bo.post(at(id, '/comments'), { content })).status).toBe(422);
    }
    expect((await ann.get(at(id, '/events?after=x'))).status).toBe(422);
  });
});

describe('time', () => {
  it('ends a handoff for good: stored, with one event, at the first look or by itself', async () => {
    const [looked, swept, declined, claimed] = [await toBo(), await toBo(), await toBo(), await toBo()];
    await bo.post(at(declined, '/decline'), {});
    await bo.post(at(claimed, '/claim'));
    moveClock([server], 169 * HOUR);
    const { body: sent } = await ann.get('/api/v1/handoffs/sent?status=pending');
    expect(sent.handoffs.map(({ id }: { id: string }) => id)).not.toContain(looked);
    const answers = await Promise.all(Array.from({ length: 4 }, () => bo.post(at(looked, '/claim'))));
    for (const answer of answers) {
      expect(answer).toMatchObject({ status: 410, body: { error: { message: 'Handoff has expired' } } });
    }
    expect((await bo.get(at(looked))).status).toBe(410);
    expect((await ann.post(at(looked, '/revoke'), { reason: 'late' })).status).toBe(410);
    expect((await bo.post(at(looked, '/decline'), {})).status).toBe(410);
    expect(await eventsOf(bo, looked)).toEqual(['created', 'expired']);
    const status = async (id: string): Promise<unknown> =>
      (await sql<{ status: string }>(server, 'select status from handoff where id = $1', [id]))[0]!.status;
    expect(await status(looked)).toBe('expired');
    expect((await ann.get(at(declined))).status).toBe(410);
    expect((await ann.get(at(claimed))).body.status).toBe('claimed');
    expect(await status(swept)).toBe('pending');
  });

  it('is not undone by the key that keeps a retry from acting twice', async () => {
    const id = await toBo();
    moveClock([server], 169 * HOUR);
    expect((await bo.post(at(id, '/claim'), undefined, { 'idempotency-key': id })).status).toBe(410);
    expect(await eventsOf(ann, id)).toEqual(['created', 'expired']);
  });
});

describe('administrators', () => {
  it('are told how many handoffs there are, are open, and were taken', async () => {
    const counts = async (): Promise<Record<string, number>> => (await root.get('/api/v1/admin/stats')).body.handoffs;
    const before = await counts();
    const [claimed, late] = [await toBo(), await toBo(), await toBo()];
    expect((await bo.post(at(claimed, '/claim'))).status).toBe(200);
    await sql(server, `update handoff set expires_at = now() - interval '1 second' where id = $1`, [late]);
    const after = await counts();
    const risen = Object.fromEntries(Object.entries(after).map(([name, count]) => [name, count - before[name]!]));
    expect(risen).toEqual({ total: 3, pending: 1, claimed: 1 });
  });
});
