import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { newSessionId, pushSession, sessionArchive, userSays } from '../support/captured-sessions.js';
import { type Answer, type Client, signUp, type TestAccount } from '../support/client.js';
import { actingFor, type OrgRow, seedMember, seedOrg } from '../support/org-rows.js';
import { handOff, type Person, person } from '../support/handoffs.js';
import { modelSettings } from '../support/model-settings.js';
import { LlmPeer } from '../support/peers/llm.js';
import { sql } from '../support/pinned-sessions.js';
import { startTestServer, type TestServer } from '../support/server.js';

const KEY = 'sk-' + 'ant-api03-' + 'a1B2'.repeat(10);
const AWS = 'AKIA' + 'ABCDEFGHIJ123456';
const HIDDEN = '[REDACTED:anthropic_api_key]';
const POLICY = '/api/v1/dlp/policy';
const OFF = { enabled: false, mode: 'warn', categories: ['secrets'], custom_patterns: [], allowlist: [] };

let server: TestServer;
let peer: LlmPeer;

beforeAll(async () => {
  peer = await LlmPeer.start();
  server = await startTestServer(modelSettings(peer));
});

afterAll(async () => {
  await server.close();
  await peer.stop();
});

interface Team {
  readonly org: OrgRow;
  readonly owner: TestAccount;
  readonly member: TestAccount;
}

/** An organisation with a policy, and a member with a key of their own. */
async function team(policy: Record<string, unknown> | null, tier = 'enterprise'): Promise<Team> {
  const [owner, member] = [await signUp(server), await signUp(server)];
  const org = await seedOrg(server, owner, tier);
  await seedMember(server, org, member);
  if (policy) expect((await owner.put(POLICY, policy as Record<string, string>)).status).toBe(200);
  return { org, owner, member };
}

const SECRETIVE = (title = `Deploy with ${KEY}`): Promise<Buffer> =>
  sessionArchive(
    { title, tags: ['ok'] },
    [userSays('hello'), userSays(`use ${KEY} and ${AWS}`)],
    [{ name: 'notes.md', content: `key: ${KEY}\n` }],
  );

async function pulled(client: Client, id: string): Promise<{ etag: string | null; bytes: Buffer }> {
  const answer = await fetch(`${client.url}/api/v1/sessions/${id}/sync`, { headers: { 'x-api-key': client.key! } });
  return { etag: answer.headers.get('etag'), bytes: Buffer.from(await answer.arrayBuffer()) };
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const resultsIn = ({ body }: Answer): unknown => JSON.parse(body.dlp_scan_results as string);

describe('a policy', () => {
  it('is off for everybody until an administrator sets it, and then changes by what is sent', async () => {
    const { owner, member } = await team(null);
    expect((await (await signUp(server)).get(POLICY)).body).toEqual(OFF);
    expect((await member.get(POLICY)).body).toEqual(OFF);
    expect(await member.put(POLICY, { enabled: true })).toMatchObject({
      status: 403,
      body: { error: { details: { error: 'insufficient_role', required_role: 'admin' } } },
    });
    // A first change that does not say so turns nothing on.
    expect((await owner.put(POLICY, { mode: 'block', allowlist: ['dummy'] })).body).toEqual({
      ...OFF,
      mode: 'block',
      allowlist: ['dummy'],
    });
    expect((await owner.put(POLICY, { enabled: true })).body).toMatchObject({ enabled: true, mode: 'block' });
    const pattern = { name: 'badge', regex: 'ACME-[0-9]{4}', category: 'secret', severity: 'high' };
    await owner.put(POLICY, { custom_patterns: [pattern], categories: ['phi', 'secrets', 'phi'] });
    expect((await member.get(POLICY)).body).toEqual({
      enabled: true,
      mode: 'block',
      categories: ['secrets', 'phi'],
      custom_patterns: [pattern],
      allowlist: ['dummy'],
    });
  });

  it('needs an organization', async () => {
    const alone = await signUp(server);
    for (const answer of [await alone.put(POLICY, { enabled: true }), await alone.get('/api/v1/dlp/stats')]) {
      expect(answer).toMatchObject({
        status: 403,
        body: { error: { details: { error: 'insufficient_role', current_role: 'none' } } },
      });
    }
  });

  it.each<[string, Record<string, unknown>]>([
    ['enabled', { enabled: KEY }],
    ['mode', { mode: KEY }],
    ['categories', { categories: [] }],
    ['categories', { categories: [KEY] }],
    ['categories', { categories: KEY }],
    ['allowlist[1]', { allowlist: ['x', ''] }],
    ['allowlist', { allowlist: { a: KEY } }],
    ['custom_patterns', { custom_patterns: KEY }],
    ['custom_patterns[0].regex', { custom_patterns: [{ name: 'a', regex: '(' }] }],
    ['custom_patterns[0].regex', { custom_patterns: [{ name: 'a', regex: '(a)\\1' }] }],
    [
      'custom_patterns[1].name',
      {
        custom_patterns: [
          { name: 'a', regex: 'b' },
          { name: 'a', regex: 'c' },
        ],
      },
    ],
  ])('refuses a bad %s and never repeats it', async (field, body) => {
    const { owner } = await team(null);
    const answer = await owner.put(POLICY, body as Record<string, string>);
    expect(answer).toMatchObject({ status: 422, body: { error: { details: { field } } } });
    expect(answer.body.error.message).toMatch(/^[a-z]/);
    expect(answer.body.detail).toBe(answer.body.error.message);
    expect(JSON.stringify(answer.body)).not.toContain(KEY);
    expect((await owner.get(POLICY)).body).toEqual(OFF);
  });

  it('of health data belongs to a larger plan, and can always be switched off', async () => {
    const { owner, org } = await team({ enabled: true }, 'team');
    expect(await owner.put(POLICY, { categories: ['phi'] })).toMatchObject({
      status: 403,
      body: { error: { details: { error: 'upgrade_required', feature: 'dlp_hipaa' } } },
    });
    await sql(server, `update account set tier = 'free' where id = $1`, [org.accountId]);
    expect(await owner.put(POLICY, { mode: 'block' })).toMatchObject({ status: 403 });
    expect((await owner.put(POLICY, { enabled: false })).body.enabled).toBe(false);
  });
});

describe('redaction', () => {
  it('takes secrets out of all that is stored, and pushes of the same stay the same', async () => {
    const { owner } = await team({ enabled: true, mode: 'redact' });
    const id = newSessionId();
    const pushed = await pushSession(owner, id, await SECRETIVE());
    expect(pushed.status).toBe(201);
    const { etag, bytes } = await pulled(owner, id);
    expect(pushed.body).toMatchObject({ etag: sha256(bytes), blob_size_bytes: bytes.length });
    expect(etag).toBe(`"${sha256(bytes)}"`);
    const messages = await owner.get(`/api/v1/sessions/${id}/messages`);
    expect(messages.body.messages[1].content).toEqual([
      { type: 'text', text: `use ${HIDDEN} and [REDACTED:aws_access_key_id]` },
    ]);
    const detail = await owner.get(`/api/v1/sessions/${id}`);
    expect(detail.body.title).toBe('Deploy with [redacted]');
    expect(resultsIn(detail)).toMatchObject({
      findings_count: 6,
      mode: 'redact',
      finding_types: ['anthropic_api_key', 'aws_access_key_id'],
      action_taken: 'redact',
      categories_scanned: ['secrets'],
    });
    const again = await pushSession(owner, id, await SECRETIVE(), { 'if-match': pushed.body.etag as string });
    expect(again).toMatchObject({ status: 200, body: { etag: pushed.body.etag } });
    expect(await pushSession(owner, id, bytes)).toMatchObject({ status: 200, body: { etag: pushed.body.etag } });
    expect((await owner.get(`/api/v1/sessions/${id}/versions`)).body.versions).toHaveLength(1);
  });

  it('holds for uploads, titles and tags, and for members with keys of their own', async () => {
    const { member } = await team({ enabled: true, mode: 'redact' });
    const form = new FormData();
    form.append('file', new Blob([new Uint8Array(await SECRETIVE())]), 'session.tar.gz');
    const query = new URLSearchParams({ source_tool: 'codex', title: `Mine ${KEY}`, tags: JSON.stringify([AWS]) });
    const uploaded = await fetch(`${server.url}/api/v1/sessions?${query}`, {
      method: 'POST',
      headers: { 'x-api-key': member.key! },
      body: form,
    });
    expect(uploaded.status).toBe(201);
    const { session_id: id } = (await uploaded.json()) as { session_id: string };
    const tags = ['[REDACTED:aws_access_key_id]'];
    expect((await member.get(`/api/v1/sessions/${id}`)).body).toMatchObject({ title: `Mine ${HIDDEN}`, tags });
    expect((await pulled(member, id)).bytes.includes(KEY)).toBe(false);
    const edited = await member.patch(`/api/v1/sessions/${id}`, { title: `Now ${KEY}`, tags: [AWS, 'fine'] });
    expect(edited.body).toMatchObject({ title: `Now ${HIDDEN}`, tags: [...tags, 'fine'] });
    expect((await member.patch(`/api/v1/sessions/${id}`, { alias: AWS })).status).toBe(403);
  });

  it('is not for who has no such organization', async () => {
    const other = await signUp(server);
    const id = newSessionId();
    const archive = await SECRETIVE();
    await pushSession(other, id, archive);
    expect((await pulled(other, id)).bytes.equals(archive)).toBe(true);
    expect((await other.get(`/api/v1/sessions/${id}`)).body.dlp_scan_results).toBeNull();
  });

  it('applies from when it is switched on: equal content is stored anew without its secrets', async () => {
    const { owner, org } = await team(null);
    const forOrg = actingFor(owner, org);
    const id = newSessionId();
    const first = await pushSession(forOrg, id, await SECRETIVE());
    await owner.put(POLICY, { enabled: true, mode: 'redact' });
    const second = await pushSession(forOrg, id, await SECRETIVE());
    expect(second.body.etag).not.toBe(first.body.etag);
    await owner.put(POLICY, { enabled: false });
    await pushSession(forOrg, id, await sessionArchive({ title: 'Later' }, []));
    expect((await forOrg.get(`/api/v1/sessions/${id}`)).body.dlp_scan_results).toBeNull();
  });
});

describe('the other modes', () => {
  it('block: nothing is stored, and the answer says where', async () => {
    const { member } = await team({ enabled: true, mode: 'block', allowlist: [AWS] });
    const id = newSessionId();
    const finding = { pattern: 'anthropic_api_key', category: 'secret', severity: 'high' };
    expect(await pushSession(member, id, await SECRETIVE('Fine'))).toMatchObject({
      status: 403,
      body: {
        error: {
          code: '403',
          details: {
            error: 'dlp_blocked',
            findings: [
              { ...finding, file: 'messages.jsonl', line: 2 },
              { ...finding, file: 'messages.jsonl', line: 2 },
              { ...finding, file: 'notes.md', line: 1 },
            ],
          },
        },
        detail: { error: 'dlp_blocked' },
      },
    });
    expect((await member.get(`/api/v1/sessions/${id}`)).status).toBe(404);
    const clean = await pushSession(member, id, await sessionArchive({ title: 'Clean' }, [userSays('hello')]));
    expect(clean.status).toBe(201);
    expect(resultsIn(await member.get(`/api/v1/sessions/${id}`))).toMatchObject({ action_taken: 'clean' });
    expect(await member.patch(`/api/v1/sessions/${id}`, { title: KEY })).toMatchObject({
      status: 403,
      body: { error: { details: { error: 'dlp_blocked' } } },
    });
  });

  it('warn: all is stored, and the findings are counted', async () => {
    const { owner, member, org } = await team({ enabled: true, mode: 'warn' });
    const id = newSessionId();
    const archive = await SECRETIVE();
    await pushSession(member, id, archive);
    expect((await pulled(member, id)).bytes.equals(archive)).toBe(true);
    await pushSession(actingFor(owner, org), newSessionId(), await sessionArchive({}, []));
    const trashed = newSessionId();
    await pushSession(member, trashed, archive);
    await member.delete(`/api/v1/sessions/${trashed}?scope=cloud`);
    const stats = { total_scanned: 2, by_action: { clean: 1, warn: 1 } };
    expect((await member.get('/api/v1/dlp/stats')).body).toEqual(stats);
    // Pushed again under another policy, its results are those of that one.
    await owner.put(POLICY, { mode: 'redact', allowlist: [KEY, AWS] });
    await pushSession(member, id, archive);
    expect((await member.get('/api/v1/dlp/stats')).body.by_action).toEqual({ clean: 2 });
  });
});

describe('a handed session', () => {
  const claimed = async (recipient: Person, sender: Person, id: string): Promise<Answer> => {
    const { body } = await handOff(sender, id, { recipient_user_id: recipient.userId });
    return recipient.post(`/api/v1/handoffs/${body.id}/claim`);
  };

  it("falls under its claimer's policy, and the sender keeps what they have", async () => {
    const [sender, recipient] = [await person(server, 'sender'), await person(server, 'recipient')];
    const org = await seedOrg(server, recipient, 'enterprise');
    await recipient.put(POLICY, { enabled: true, mode: 'block' });
    const id = newSessionId();
    await pushSession(sender, id, await SECRETIVE());
    await sender.patch(`/api/v1/sessions/${id}`, { title: `Set ${KEY}` });
    expect(await claimed(recipient, sender, id)).toMatchObject({
      status: 403,
      body: { error: { details: { error: 'dlp_blocked' } } },
    });
    expect((await recipient.get('/api/v1/sessions')).body.total).toBe(0);
    await recipient.put(POLICY, { mode: 'redact' });
    const { status, body } = await claimed(recipient, sender, id);
    expect(status).toBe(200);
    const copy = body.recipient_session_id as string;
    expect(gunzipSync((await pulled(recipient, copy)).bytes).includes(KEY)).toBe(false);
    const messages = await recipient.get(`/api/v1/sessions/${copy}/messages`);
    expect(JSON.stringify(messages.body)).not.toContain(KEY);
    const detail = await recipient.get(`/api/v1/sessions/${copy}`);
    expect(detail.body).toMatchObject({ title: `Set ${HIDDEN}`, original_session_id: id });
    expect(resultsIn(detail)).toMatchObject({ action_taken: 'redact', org_id: org.id });
    expect(gunzipSync((await pulled(sender, id)).bytes).includes(KEY)).toBe(true);
  });
});

describe('what leaves an organization', () => {
  const [BADGE, SSN] = ['ACME-1234', 'SSN: 219-09-9999'];
  const badge = { name: 'our badge', regex: 'ACME-[0-9]{4}', category: 'secret', severity: 'high' };
  const policy = { enabled: true, mode: 'warn', categories: ['secrets', 'phi'], custom_patterns: [badge] };
  const TOLD = { what_happened: 'It ran.', key_decisions: [], outcome: 'green', open_issues: [] };

  const work = (): Promise<Buffer> =>
    sessionArchive(
      { title: `Renew ${BADGE}` },
      [
        userSays(`Renew ${BADGE}, ${SSN}`),
        {
          role: 'assistant',
          content: [{ type: 'tool_use', tool_use_id: 'u', name: 'Bash', input: { command: `renew ${BADGE}` } }],
        },
        {
          role: 'tool',
          content: [{ type: 'tool_result', tool_use_id: 'u', content: `Error: ${BADGE} is not known to us` }],
        },
        { role: 'assistant', content: [{ type: 'text', text: `All tests pass for ${BADGE}.` }] },
      ],
      [{ name: 'notes.md', content: `of ${BADGE}\n` }],
    );

  /** A session with what its organisation calls a secret, stored as it is; of a person with a key of their own. */
  async function stored(): Promise<Team & { id: string }> {
    const made = await team(policy);
    const id = newSessionId();
    expect((await pushSession(made.member, id, await work())).status).toBe(201);
    expect((await made.member.get(`/api/v1/sessions/${id}`)).body.title).toBe(`Renew ${BADGE}`);
    return { ...made, id };
  }

  const clean = (text: string): void => {
    expect(text).toContain('our badge');
    for (const secret of [BADGE, SSN.slice(5)]) expect(text).not.toContain(secret);
  };

  it('by a link has none of what the organisation looks for, whatever the form, and as it looks for it now', async () => {
    const { owner, member, id } = await stored();
    const { pathname } = new URL((await member.post(`/api/v1/sessions/${id}/share`, {})).body.url as string);
    const open = async (format: string): Promise<Buffer> =>
      Buffer.from(await (await fetch(`${server.url}${pathname}?format=${format}`)).arrayBuffer());
    for (const format of ['json', 'html']) clean((await open(format)).toString());
    const archive = gunzipSync(await open('archive')).toString();
    clean(archive);
    expect(archive).toContain('of [REDACTED:our badge]');
    await owner.put(POLICY, { custom_patterns: [], categories: ['secrets'] });
    expect(sha256(await open('archive'))).toBe((await member.get(`/api/v1/sessions/${id}`)).body.etag);
    expect((await open('json')).toString()).toContain(BADGE);
  });

  it('to a model has none of it either', async () => {
    const { member, id } = await stored();
    peer.next(JSON.stringify(TOLD));
    const narrated = await member.post(`/api/v1/sessions/${id}/summary/narrative`, {});
    expect(narrated).toMatchObject({ status: 200, body: { what_happened: 'It ran.' } });
    clean(JSON.stringify(peer.calls.at(-1)));
    peer.next('[]');
    expect((await member.post(`/api/v1/sessions/${id}/audit`, {})).status).toBe(200);
    expect(peer.calls).toHaveLength(2);
    clean(JSON.stringify(peer.calls.at(-1)));
  });

  it('with an offer to somebody else has none of it in the title and the summary', async () => {
    const { member, id } = await stored();
    const bo = await person(server, 'bo');
    const { body } = await handOff(member, id, { recipient_user_id: bo.userId });
    expect(body.session_title).toBe('Renew [redacted]');
    const summary = await bo.get(`/api/v1/handoffs/${body.id}/summary`);
    expect(summary.body.last_assistant_messages).toEqual(['All tests pass for [REDACTED:our badge].']);
    clean(JSON.stringify(summary.body));
  });
});

describe('a scan', () => {
  it('names patterns and lines, never the text', async () => {
    const pattern = { name: 'badge', regex: 'ACME-[0-9]{4}', category: 'secret', severity: 'low' };
    const { member } = await team({ custom_patterns: [pattern], allowlist: [AWS] });
    const text = `first\n${KEY}\n${AWS} and ACME-1234`;
    const answer = await member.post('/api/v1/dlp/scan', { text });
    expect(answer).toMatchObject({ status: 200 });
    expect(answer.body).toEqual({
      finding_count: 2,
      findings: [
        { pattern_name: 'anthropic_api_key', category: 'secret', severity: 'high', line_number: 2 },
        { pattern_name: 'badge', category: 'secret', severity: 'low', line_number: 3 },
      ],
    });
    const phi = await member.post('/api/v1/dlp/scan', { text: 'SSN: 123-45-6789', categories: ['phi'] });
    expect(phi.body.findings).toEqual([{ pattern_name: 'ssn', category: 'phi', severity: 'critical', line_number: 1 }]);
  });

  it('is bounded, and refuses what is no text without repeating it', async () => {
    const someone = await signUp(server);
    expect((await someone.post('/api/v1/dlp/scan', { text: 'x'.repeat(1_100_000) })).status).toBe(413);
    const many = await someone.post('/api/v1/dlp/scan', { text: `${KEY}\n`.repeat(3_000) });
    expect(many.body.finding_count).toBe(3_000);
    expect(many.body.findings).toHaveLength(1_000);
    for (const body of [{}, { text: [KEY] }, { text: null }, { text: 'x', categories: [KEY] }]) {
      const answer = await someone.post('/api/v1/dlp/scan', body);
      expect(answer.status).toBe(422);
      expect(JSON.stringify(answer.body)).not.toContain(KEY);
    }
  });
});
