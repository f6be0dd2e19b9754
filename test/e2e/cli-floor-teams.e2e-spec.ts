import { admin, type Client } from '../support/client.js';
import { person, type Person } from '../support/handoffs.js';
import { setTier } from '../support/organisations.js';
import { Sfs, type SfsAnswer } from '../support/peers/sfs.js';
import { eventually, sql } from '../support/pinned-sessions.js';
import { seedMember, seedOrg } from '../support/org-rows.js';
import { keysOf, serviceKey } from '../support/service-keys.js';
import { startTestServer, type TestServer } from '../support/server.js';

/** The unmodified command line, its daemon and its tool servers against this server: sessionfs-1.md §18.4, 18.6, 18.7 and 23. */
const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/);
const HANDOFFS = '/api/v1/handoffs';

let server: TestServer;
let root: Client;
let ann: Sfs;
let bo: Sfs;
let boEmail: string;
let annAccount: Person;
let boAccount: Person;

beforeAll(async () => {
  server = await startTestServer();
  root = await admin(server);
  [annAccount, boAccount] = [await person(server, 'ann'), await person(server, 'bo')];
  [ann, bo] = [machineOf(annAccount), machineOf(boAccount)];
  boEmail = boAccount.email;
});

afterAll(async () => {
  await server.close();
});

const machineOf = (account: Client): Sfs => new Sfs(server.url, account.key);

/** `sfs handoff ID --to …`: the session is pushed first. */
async function handoff(sfs: Sfs, wish: Record<string, unknown>, id = sfs.capture()): Promise<SfsAnswer> {
  await sfs.plain('GET', '/api/v1/sync/settings');
  await sfs.put(id);
  return sfs.plain('POST', HANDOFFS, { session_id: id, ...wish });
}

describe('sfs handoff', () => {
  it('to an address, a person and a team reads id and expires_at', async () => {
    const org = await seedOrg(server, annAccount, 'enterprise');
    await seedMember(server, org, boAccount);
    const team = (
      await annAccount.post('/api/v1/teams', { name: 'Parsers', slug: 'parsers' }, { 'x-account': org.slug })
    ).body;
    for (const { userId } of [annAccount, boAccount]) {
      await annAccount.post(`/api/v1/teams/${team.id}/members`, { user_id: userId }, { 'x-account': org.slug });
    }
    for (const recipient of [
      { recipient_email: boEmail },
      { recipient_user_id: boAccount.userId, message: 'please finish' },
      { recipient_team_id: team.id, expires_in_hours: 24 },
    ]) {
      const { status, json } = await handoff(ann, recipient);
      expect({ recipient, status, json }).toMatchObject({
        status: 201,
        json: { id: expect.stringMatching(/^hnd_/), expires_at: TIME },
      });
    }
    expect(
      (await handoff(ann, { recipient_email: boEmail, attachments: [{ kind: 'ticket', ref_id: 'tk_1' }] })).status,
    ).toBe(422);
  });

  it('pull-handoff looks, claims without a body, and pulls the copy, which names itself', async () => {
    const source = ann.capture();
    const { json: made } = await handoff(ann, { recipient_email: boEmail, message: 'go on' }, source);
    const seen = await bo.plain('GET', `${HANDOFFS}/${made.id}`);
    expect(seen).toMatchObject({
      status: 200,
      json: { session_id: source, sender_email: annAccount.email, message: 'go on', recipient_session_id: null },
    });
    const claimed = await bo.plain('POST', `${HANDOFFS}/${made.id}/claim`);
    expect(claimed).toMatchObject({ status: 200, json: { status: 'claimed', active_ticket_payload: null } });
    const copy = claimed.json.recipient_session_id as string;
    expect((await bo.pull(copy)).status).toBe(200);
    expect(bo.sessions.get(copy)!.manifest).toMatchObject({ session_id: copy, title: 'Teach the parser about tabs' });
    expect((await bo.plain('POST', `${HANDOFFS}/${made.id}/claim`)).status).toBe(409);
    expect((await bo.plain('GET', `${HANDOFFS}/${made.id}`)).json.recipient_session_id).toBe(copy);
    expect((await bo.pull(copy)).status).toBe(304);
    expect(await bo.push(copy)).toMatchObject({ status: 200 });
  });

  it('handoffs inbox and sent are answered under the address with a slash, without a redirect', async () => {
    const { json: made } = await handoff(ann, { recipient_email: boEmail });
    for (const [machine, path] of [
      [bo, `${HANDOFFS}/inbox/`],
      [ann, `${HANDOFFS}/sent/`],
    ] as const) {
      const { status, json } = await machine.plain('GET', path);
      expect(status).toBe(200);
      expect(json.total).toBe(json.handoffs.length);
      expect(json.handoffs[0]).toMatchObject({
        ...{
          id: made.id,
          sender_email: annAccount.email,
          recipient_email: boEmail,
          status: 'pending',
          created_at: TIME,
        },
        ...{ session_title: 'Teach the parser about tabs', session_tool: 'codex' },
      });
    }
  });

  it('handoffs get, comment, comments, events, decline and revoke', async () => {
    const [first, second] = [
      await handoff(ann, { recipient_email: boEmail }),
      await handoff(ann, { recipient_email: boEmail }),
    ];
    const [at, other] = [`${HANDOFFS}/${first.json.id}`, `${HANDOFFS}/${second.json.id}`];
    expect((await bo.plain('GET', at)).json).toMatchObject({
      ...{ id: first.json.id, handoff_kind: 'individual', status: 'pending', sender_email: annAccount.email },
      ...{ session_id: first.json.session_id, created_at: TIME, expires_at: TIME },
    });
    expect(await bo.plain('POST', `${at}/comments`, { content: 'which line?' })).toMatchObject({
      status: 201,
      json: { id: expect.stringMatching(/^hcm_/) },
    });
    expect(await ann.plain('GET', `${at}/comments?limit=50`)).toMatchObject({
      status: 200,
      json: [{ content: 'which line?' }],
    });
    const events = await ann.plain('GET', `${at}/events?limit=50`);
    expect(events.json.map(({ event_type }: { event_type: string }) => event_type)).toEqual([
      'created',
      'viewed',
      'commented',
    ]);
    expect(await bo.plain('POST', `${at}/decline`, {})).toMatchObject({ status: 200, json: { status: 'declined' } });
    expect((await bo.plain('POST', `${other}/decline`, { reason: 'busy' })).status).toBe(200);
    const third = await handoff(ann, { recipient_email: boEmail });
    expect(await ann.plain('POST', `${HANDOFFS}/${third.json.id}/revoke`, { reason: 'wrong one' })).toMatchObject({
      status: 200,
      json: { status: 'revoked', revoke_reason: 'wrong one' },
    });
    expect((await bo.plain('POST', `${at}/claim`)).status).toBe(409);
  });
});

describe('sfs org', () => {
  it('create, info, members, invite and remove', async () => {
    const [boss, guest] = [await person(server, 'boss'), await person(server, 'guest')];
    const sfs = machineOf(boss);
    const slug = `parsers-${Date.now().toString(36)}`;
    const made = await sfs.plain('POST', '/api/v1/org', { name: 'Parsers', slug });
    expect(made).toMatchObject({ status: 200, json: { org_id: expect.stringMatching(/^org_/) } });
    const invited = await sfs.plain('POST', '/api/v1/org/invite', { email: 'new@example.com', role: 'member' });
    expect(invited).toMatchObject({ status: 200, json: { email: 'new@example.com', role: 'member' } });
    expect(invited.json.invite_id).toEqual(expect.any(String));
    await sql(server, 'insert into org_member (org_id, user_id, role) values ($1, $2, $3)', [
      ...[made.json.org_id, guest.userId, 'member'],
    ]);
    const { json } = await sfs.plain('GET', '/api/v1/org');
    expect(json).toMatchObject({
      org: { name: 'Parsers', slug, tier: expect.any(String) },
      current_user_role: 'owner',
    });
    expect([json.org.seats_used, json.org.seats_limit]).toEqual([expect.any(Number), expect.any(Number)]);
    expect(json.members).toContainEqual(
      expect.objectContaining({
        email: guest.email,
        role: 'member',
        joined_at: expect.any(String),
        display_name: null,
      }),
    );
    expect((await sfs.plain('DELETE', `/api/v1/org/members/${guest.userId}`)).status).toBe(200);
    expect((await sfs.plain('GET', '/api/v1/org')).json.members).toHaveLength(1);
  });
});

describe('sfs sync', () => {
  it('status, auto, watch, unwatch and watchlist', async () => {
    const cy = machineOf(await person(server, 'cy'));
    const id = cy.capture();
    await cy.push(id);
    expect(await cy.plain('PUT', '/api/v1/sync/settings', { mode: 'selective' })).toMatchObject({
      status: 200,
      json: { mode: 'selective', debounce_seconds: 30, max_member_bytes: 52_428_800 },
    });
    expect((await cy.plain('POST', `/api/v1/sync/watch/${id}`)).json).toEqual({ status: 'watching', session_id: id });
    expect((await cy.plain('GET', '/api/v1/sync/watchlist')).json.sessions).toMatchObject([
      {
        session_id: id,
        title: 'Teach the parser about tabs',
        source_tool: 'codex',
        message_count: 4,
        status: 'pending',
      },
    ]);
    expect((await cy.plain('GET', '/api/v1/sync/status')).json).toMatchObject({
      ...{ mode: 'selective', total_sessions: 1, synced_sessions: 1, watched_sessions: 1, queued: 0, failed: 0 },
      ...{ storage_used_bytes: expect.any(Number), storage_limit_bytes: expect.any(Number) },
    });
    expect((await cy.plain('DELETE', `/api/v1/sync/watch/${id}`)).json).toEqual({
      status: 'unwatched',
      session_id: id,
    });
  });

  it('the daemon looks, queues, pushes, reports and asks for an audit', async () => {
    const cy = machineOf(await person(server, 'cy'));
    await cy.plain('PUT', '/api/v1/sync/settings', { mode: 'all' });
    expect((await cy.plain('PUT', '/api/v1/settings/audit-trigger', { trigger: 'on_sync' })).json).toEqual({
      trigger: 'on_sync',
    });
    const id = cy.capture();
    expect((await cy.plain('GET', '/api/v1/sync/settings')).json).toMatchObject({ mode: 'all', debounce_seconds: 30 });
    expect((await cy.plain('GET', '/api/v1/settings/audit-trigger')).json).toEqual({ trigger: 'on_sync' });
    expect((await cy.plain('PUT', `/api/v1/sync/watch/${id}/queued`)).json).toMatchObject({ status: 'not_watched' });
    expect((await cy.put(id)).status).toBe(201);
    expect((await cy.plain('PUT', `/api/v1/sync/watch/${id}/synced`)).status).toBe(200);
    expect([200, 201, 202]).toContain((await cy.plain('POST', `/api/v1/sessions/${id}/audit`, {})).status);
    await cy.plain('POST', `/api/v1/sync/watch/${id}`);
    for (const status of ['queued', 'failed', 'synced']) {
      expect((await cy.plain('PUT', `/api/v1/sync/watch/${id}/${status}`)).json).toEqual({ status, session_id: id });
    }
    expect((await cy.plain('GET', '/api/v1/sync/watchlist')).json.sessions[0]).toMatchObject({
      status: 'synced',
      last_synced_at: TIME,
    });
  });
});

describe('the tool servers and the dashboard', () => {
  it('check a key with a page of one, then list, search, read and rename', async () => {
    const id = ann.capture('an axolotl in the lexer');
    await ann.push(id);
    const path = `/api/v1/sessions/${id}`;
    expect((await ann.plain('GET', '/api/v1/sessions?page_size=1')).status).toBe(200);
    expect((await ann.plain('GET', '/api/v1/sessions/search?q=axolotl&page_size=5')).json.total).toBe(1);
    expect((await ann.plain('GET', path)).json).toMatchObject({ id, title: 'Teach the parser about tabs' });
    expect((await ann.plain('GET', `${path}/messages?page=1&page_size=50`)).json).toMatchObject({
      total: 1,
      page: 1,
      has_more: false,
    });
    const alias = `tabs-${id.slice(4)}`;
    expect((await ann.plain('PATCH', path, { title: 'Tabs', alias })).json).toMatchObject({ title: 'Tabs', alias });
    expect((await ann.plain('DELETE', `${path}/alias`)).json).toMatchObject({ id, alias: null });
    expect((await ann.plain('GET', `${path}/provenance`)).json).toMatchObject({
      session_id: id,
      instruction_artifacts: [],
    });
    expect([200, 404, 405]).toContain((await ann.plain('GET', `${path}/retrieval-log`)).status);
  });

  it('read archives, messages by order, summaries, audits and settings', async () => {
    const id = ann.capture('for the dashboard');
    await ann.push(id);
    const path = `/api/v1/sessions/${id}`;
    const archive = await ann.plain('GET', `${path}/download`);
    expect(archive).toMatchObject({ status: 200, headers: { etag: `"${(await ann.plain('GET', path)).json.etag}"` } });
    for (const tail of ['/messages?order=newest', '/summary', '/audits'])
      expect((await ann.plain('GET', path + tail)).status).toBe(200);
    for (const tail of ['judge', 'audit-trigger', 'summarize-trigger', 'github', 'gitlab']) {
      expect((await ann.plain('GET', `/api/v1/settings/${tail}`)).status).toBe(200);
    }
    expect((await ann.plain('GET', '/api/v1/summaries')).json).toContainEqual(
      expect.objectContaining({ session_id: id }),
    );
    expect((await ann.plain('GET', '/api/v1/bookmarks/folders')).json).toEqual({ folders: [] });
  });
});

/** sessionfs-1.md §23: every member is there and of the type shown; more may be. */
describe('the golden bodies', () => {
  const ETAG = expect.stringMatching(/^[0-9a-f]{64}$/);
  const NUMBER = expect.any(Number);
  const TEXT = expect.any(String);

  it('of a conflict, of plans, of scopes and of what is too large', async () => {
    const id = ann.capture();
    const { etag } = (await ann.push(id)).json;
    expect((await ann.put(id, { 'If-Match': '"stale"' })).json.error).toEqual({
      ...{
        code: 'etag_mismatch',
        message: 'ETag mismatch — session has been updated',
        details: { current_etag: etag },
      },
    });
    const free = await person(server, 'free');
    await setTier(root, free, 'free');
    const refused = await eventually(async () => {
      const { status, body } = await free.get('/api/v1/sessions/search?q=x');
      return status === 403 && body;
    });
    const plan = { error: 'upgrade_required', feature: 'cloud_sync', current_tier: 'free', required_tier: 'starter' };
    const message = 'This feature requires starter or above.';
    expect(refused).toEqual({
      error: { code: '403', message, details: { ...plan, upgrade_url: TEXT } },
      detail: { ...plan, message, upgrade_url: TEXT },
    });
    const org = await seedOrg(server, boAccount);
    const key = machineOf(await serviceKey(boAccount, org, ['handoffs:read']));
    expect(await key.plain('POST', HANDOFFS, { session_id: id, recipient_email: boEmail })).toMatchObject({
      status: 403,
      json: {
        error: {
          ...{ code: '403', message: TEXT },
          details: { error: 'insufficient_scope', required: ['handoffs:write'], current: ['handoffs:read'] },
        },
      },
    });
    const large = machineOf(annAccount);
    const file = { 'context/log.txt': 'x'.repeat(52_428_801) };
    const big = large.capture();
    large.sessions.set(big, { manifest: large.sessions.get(big)!.manifest, members: file });
    expect((await large.push(big)).json.error).toEqual({
      ...{ code: '413', message: TEXT },
      details: {
        ...{ error: 'session_too_large', file: 'context/log.txt', size_bytes: 52_428_801, limit_bytes: 52_428_800 },
        suggestion: TEXT,
      },
    });
  });

  it('of validation', async () => {
    const { status, json } = await ann.plain('GET', '/api/v1/sessions?page_size=101');
    expect({ status, error: json.error }).toEqual({
      status: 422,
      error: {
        ...{ code: '422', message: 'Validation error' },
        details: {
          errors: [{ type: 'less_than_equal', loc: ['query', 'page_size'], msg: TEXT, input: '101' }],
        },
      },
    });
  });

  it('of a list item, a handoff and a service key', async () => {
    const id = ann.capture();
    const { status, json: pushed } = await ann.push(id);
    expect({ status, pushed }).toMatchObject({
      status: 201,
      pushed: { session_id: id, etag: ETAG, blob_size_bytes: NUMBER, synced_at: TIME },
    });
    const { json: list } = await ann.plain('GET', '/api/v1/sessions');
    expect(list.sessions[0]).toMatchObject({
      ...{ id, title: 'Teach the parser about tabs', alias: null, tags: ['parser'], source_tool: 'codex' },
      ...{ model_id: 'demo-1', message_count: 4, turn_count: 1, tool_use_count: 1, total_input_tokens: 910 },
      ...{ total_output_tokens: 120, blob_size_bytes: pushed.blob_size_bytes, etag: pushed.etag, created_at: TIME },
      ...{ parent_session_id: null, updated_at: TIME, is_deleted: false, deleted_at: null, deleted_by: null },
      ...{ delete_scope: null, purge_after: null },
    });
    const wish = { recipient_email: boEmail, message: 'please finish' };
    expect((await ann.plain('POST', HANDOFFS, { session_id: id, ...wish })).json).toEqual({
      ...{ id: expect.stringMatching(/^hnd_\w{22}$/), session_id: id, recipient_session_id: null, ...wish },
      ...{ sender_email: annAccount.email, recipient_user_id: null, recipient_team_id: null, status: 'pending' },
      ...{ session_title: 'Teach the parser about tabs', session_tool: 'codex', session_model_id: 'demo-1' },
      ...{ session_message_count: 4, session_total_tokens: 1030, created_at: TIME, claimed_at: null, expires_at: TIME },
      ...{ ticket_id: null, persona_name: null, revoked_at: null, revoked_by_user_id: null, revoke_reason: null },
      ...{ handoff_kind: 'individual', viewed_at: null, snapshot_persona_name: null, snapshot_ticket_title: null },
      ...{ sender_tier_snapshot: TEXT, attachments: [], comments: [], events: [], active_ticket_payload: null },
      dropped_attachments: [],
    });
    const org = await seedOrg(server, boAccount);
    const made = await bo.plain('POST', keysOf(org), { name: 'ci', scopes: ['handoffs:write'] });
    expect({ status: made.status, json: made.json }).toMatchObject({
      status: 201,
      json: {
        ...{
          id: TEXT,
          name: 'ci',
          org_id: org.id,
          service_key_name: 'ci',
          scopes: expect.arrayContaining(['handoffs:write']),
        },
        ...{ project_ids: null, key_prefix: made.json.key.slice(0, 12), created_at: TIME, expires_at: null, key: TEXT },
        ...{ created_by_user_id: boAccount.userId, revoked_at: null, revoke_reason: null, last_used_at: null },
        ...{ last_used_ip: null, is_active: true },
      },
    });
  });
});
