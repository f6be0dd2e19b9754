import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../libs/kernel/src/index.js';
import { agentSays, newSessionId, pushSession, sessionArchive, userSays } from '../support/captured-sessions.js';
import { type Answer, signUp, type TestAccount } from '../support/client.js';
import { startTestServer, type TestServer } from '../support/server.js';

const FIXTURES = join(packageRoot(), 'test/fixtures/audit');

let server: TestServer;
let ann: TestAccount;
let bo: TestAccount;

beforeAll(async () => {
  server = await startTestServer({ OUTBOUND_ALLOW_PRIVATE: '127.0.0.0/8' });
  ann = await signUp(server);
  bo = await signUp(server);
});

afterAll(async () => {
  await server.close();
});

type Line = object | string;

const runs = (command: string, output: string): object[] => [
  {
    role: 'assistant',
    content: [{ type: 'tool_use', tool_use_id: command, name: 'Bash', input: { command } }],
  },
  { role: 'tool', content: [{ type: 'tool_result', tool_use_id: command, content: output }] },
];
/** An agent that calls a red suite green. */
const LIAR: readonly Line[] = [
  userSays('Fix the cart.'),
  ...runs('npx jest', 'Tests: 2 failed, 3 passed, 5 total'),
  agentSays('All 5 tests pass.'),
];

async function pushed(lines: readonly Line[], owner = ann, id = newSessionId()): Promise<string> {
  const answer = await pushSession(owner, id, await sessionArchive({ title: 'Audited' }, lines));
  expect([200, 201]).toContain(answer.status);
  return id;
}

const path = (id: string, tail = ''): string => `/api/v1/sessions/${id}/audit${tail}`;
const auditOf = (id: string, body: Record<string, unknown> = {}): Promise<Answer> => ann.post(path(id), body as never);
const falseClaims = ({ body }: Answer): { claim: string }[] =>
  body.findings.filter(({ verdict }: { verdict: string }) => verdict === 'hallucination');

describe('without a model, an audit', () => {
  const names = (folder: string): string[] =>
    readdirSync(join(FIXTURES, folder)).filter((name) => name.endsWith('.jsonl'));
  const linesOf = (folder: string, name: string): string[] =>
    readFileSync(join(FIXTURES, folder, name), 'utf8')
      .trimEnd()
      .split('\n');

  it('finds at least 8 of 10 planted false claims', async () => {
    const planted = JSON.parse(readFileSync(join(FIXTURES, 'false/expected.json'), 'utf8'));
    const missed: string[] = [];
    expect(names('false').length).toBe(10);
    for (const name of names('false')) {
      const answer = await auditOf(await pushed(linesOf('false', name)));
      expect(answer).toMatchObject({ status: 200, body: { model: 'rules' } });
      const { claim } = planted[name.replace('.jsonl', '')];
      if (!falseClaims(answer).some((found) => found.claim.includes(claim))) missed.push(name);
    }
    expect({ missed, found: missed.length <= 2 }).toMatchObject({ found: true });
  });

  it('calls nothing false in 10 honest sessions', async () => {
    expect(names('honest').length).toBe(10);
    for (const name of names('honest')) {
      const answer = await auditOf(await pushed(linesOf('honest', name)));
      expect({ name, status: answer.status }).toEqual({ name, status: 200 });
      expect({ name, found: falseClaims(answer) }).toEqual({ name, found: [] });
    }
  });

  it('answers the report, and it is read again, listed and found by its id', async () => {
    const id = await pushed(LIAR);
    expect((await ann.get(path(id))).body.error.message).toBe('No audit report found for this session');
    expect((await ann.get(path(id, '/status'))).body).toMatchObject({ status: 'not_started', session_id: id });
    expect((await ann.get(path(id, 's'))).body).toEqual([]);
    const { body } = await auditOf(id);
    expect(body).toMatchObject({
      session_id: id,
      model: 'rules',
      provider: '',
      base_url: '',
      timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
      execution_time_ms: expect.any(Number),
      findings: [{ message_index: 3, claim: 'All 5 tests pass.', verdict: 'hallucination', severity: 'critical' }],
      summary: { total_claims: 1, hallucinations: 1, trust_score: 0, critical_count: 1 },
      warnings: [],
    });
    expect((await ann.get(path(id))).body).toEqual(body);
    const [item] = (await ann.get(path(id, 's'))).body;
    expect(item).toMatchObject({
      session_id: id,
      judge_model: 'rules',
      judge_provider: '',
      trust_score: 0,
      total_claims: 1,
      contradiction_count: 1,
    });
    expect((await ann.get(`/api/v1/sessions/audits/${item.id}`)).body).toMatchObject({
      ...{ id: item.id, session_id: id, model: 'rules', provider: '', base_url: null, trust_score: 0 },
      ...{ total_claims: 1, verified: 0, unverified: 0, hallucinations: 1, findings: body.findings },
    });
    expect((await ann.get(path(id, '/status'))).body).toMatchObject({
      ...{ status: 'completed', audit_id: item.id, reason: null, trigger: 'manual', model: 'rules', attempt: 1 },
    });
  });

  it('of a session that claims nothing finds nothing; without messages there is none', async () => {
    const silent = await pushed([userSays('Look.'), ...runs('ls', 'a.ts'), agentSays('Shall I go on?')]);
    expect(await auditOf(silent)).toMatchObject({ status: 200, body: { findings: [], warnings: [] } });
    expect(await auditOf(await pushed([]))).toMatchObject({
      status: 400,
      body: { error: { message: 'No messages found in session archive' } },
    });
    expect(await auditOf(await pushed([userSays('Hi'), agentSays('Hello.')]))).toMatchObject({
      status: 200,
      body: { findings: [], summary: { total_claims: 0 }, warnings: [expect.stringContaining('no tool calls')] },
    });
  });

  it('keeps texts that a database does not take', async () => {
    const lines = [
      ...LIAR.slice(0, 1),
      ...runs('npx jest\0\ud800', 'Tests: 2 failed, 3 passed, 5 total\0\udc00'),
      LIAR[3]!,
    ];
    expect(await auditOf(await pushed(lines))).toMatchObject({ status: 200, body: { summary: { hallucinations: 1 } } });
  });
});

describe('a session of 500 messages or more', () => {
  it('is audited in the background, with the same history', async () => {
    const id = await pushed([...LIAR, ...Array.from({ length: 500 }, (_, n) => userSays(`Go on ${n}`))]);
    const accepted = await auditOf(id);
    expect(accepted).toMatchObject({
      status: 202,
      body: { status: 'accepted', session_id: id, message: expect.stringContaining('504') },
    });
    const { body: status } = await ended(id);
    expect(status).toMatchObject({ status: 'completed', audit_id: accepted.body.audit_id });
    expect((await ann.get(path(id, 's'))).body).toMatchObject([{ id: status.audit_id, contradiction_count: 1 }]);
  });
});

async function ended(id: string): Promise<Answer> {
  for (;;) {
    const answer = await ann.get(path(id, '/status'));
    if (answer.body.status !== 'running') return answer;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('a dismissal', () => {
  const dismiss = (id: string, body: Record<string, unknown>): Promise<Answer> =>
    ann.post(path(id, '/dismiss'), body as never);
  const findings = async (id: string): Promise<object[]> => (await ann.get(path(id))).body.findings;

  it('marks a finding of the newest report, outlives the next audit, and is taken back', async () => {
    const id = await pushed(LIAR);
    expect((await dismiss(id, { finding_index: 0 })).body.error.message).toBe('No audit report found');
    await auditOf(id);
    expect(await dismiss(id, { finding_index: 0, reason: 'A known flake' })).toMatchObject({
      status: 200,
      body: { status: 'ok', finding_index: 0, dismissed: true },
    });
    const mark = { dismissed: true, dismissed_by: ann.userId, dismissed_reason: 'A known flake' };
    expect(await findings(id)).toMatchObject([mark]);
    expect((await auditOf(id)).body.findings).toMatchObject([mark]);
    expect((await dismiss(id, { finding_index: 0, dismissed: false })).status).toBe(200);
    expect(await findings(id)).toMatchObject([{ dismissed: false, dismissed_by: null, dismissed_reason: null }]);
    const [, first] = (await ann.get(path(id, 's'))).body;
    expect((await ann.get(`/api/v1/sessions/audits/${first.id}`)).body.findings).toMatchObject([mark]);
  });

  it.each([
    [{ finding_index: 1 }, 400],
    [{ finding_index: -1 }, 400],
    [{}, 422],
    [{ finding_index: '0' }, 422],
    [{ finding_index: 0, dismissed: 'yes' }, 422],
    [{ finding_index: 0, reason: 'a\0b' }, 422],
    [{ finding_index: 0, reason: 'x'.repeat(2001) }, 422],
  ])('%j is refused with %d', async (body, status) => {
    const id = await pushed(LIAR);
    await auditOf(id);
    expect((await dismiss(id, body)).status).toBe(status);
    expect(await findings(id)).toMatchObject([{ dismissed: false }]);
  });
});

describe('what is not there', () => {
  it.each(['ses_0000000000000000', 'x', 'a%00b', '%F0%9F', 'y'.repeat(10_000)])(
    'is answered so on every route: %s',
    async (id) => {
      const answers = await Promise.all([
        ann.post(path(id), {}),
        ann.get(path(id)),
        ann.get(path(id, '/status')),
        ann.get(path(id, 's')),
        ann.post(path(id, '/dismiss'), { finding_index: 0 }),
        ann.get(`/api/v1/sessions/audits/${id}`),
      ]);
      for (const { status } of answers) expect(id.includes('%') ? [400, 404, 422] : [404]).toContain(status);
    },
  );

  it("includes others' sessions and audits, and sessions in the trash", async () => {
    const id = await pushed(LIAR);
    await auditOf(id);
    const [{ id: audit }] = (await ann.get(path(id, 's'))).body;
    for (const client of [bo, ann]) {
      if (client === ann) await ann.delete(`/api/v1/sessions/${id}?scope=cloud`);
      for (const tail of ['', '/status', 's']) expect((await client.get(path(id, tail))).status).toBe(404);
      expect((await client.get(`/api/v1/sessions/audits/${audit}`)).body.error.message).toBe('Audit report not found');
      expect((await client.post(path(id), {})).status).toBe(404);
      expect((await client.post(path(id, '/dismiss'), { finding_index: 0 })).status).toBe(404);
    }
  });
});

describe('a request', () => {
  it.each([
    { model: 7 },
    { model: '' },
    { model: 'x'.repeat(201) },
    { model: 'a\0' },
    { llm_api_key: 'two words' },
    { base_url: 'ftp://x' },
    { base_url: 'nonsense' },
  ])('with %j is refused', async (body) => {
    expect((await auditOf(await pushed(LIAR), body)).status).toBe(422);
  });

  it('without a body is refused', async () => {
    expect((await ann.post(path(await pushed(LIAR)))).status).toBe(422);
  });
});
