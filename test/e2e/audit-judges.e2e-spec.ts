import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { jest } from '@jest/globals';
import { Database, Llm, PeriodicTasks } from '#platform';
import { agentSays, newSessionId, pushSession, sessionArchive, userSays } from '../support/captured-sessions.js';
import { type Answer, Client, signUp, type TestAccount } from '../support/client.js';
import { judging } from '../support/judging.js';
import { modelSettings } from '../support/model-settings.js';
import { LlmPeer } from '../support/peers/llm.js';
import { startServerProcess } from '../support/server-process.js';
import { startTestServer, type TestServer } from '../support/server.js';

const SECRET = `ghp_${'k3yK3y'.repeat(6)}`;

let peer: LlmPeer;
let server: TestServer;
let ann: TestAccount;

beforeAll(async () => {
  peer = await LlmPeer.start();
  server = await startTestServer({
    OUTBOUND_ALLOW_PRIVATE: '127.0.0.1/32',
    ...modelSettings(peer),
  });
  ann = await signUp(server);
});

beforeEach(() => {
  peer.reply = judging('verified');
  peer.calls.length = 0;
});

afterEach(() => {
  jest.restoreAllMocks();
});

afterAll(async () => {
  await server.close();
  await peer.stop();
});

const RUN = [
  {
    role: 'assistant',
    content: [{ type: 'tool_use', tool_use_id: 'a', name: 'Bash', input: { command: 'npx jest' } }],
  },
  { role: 'tool', content: [{ type: 'tool_result', tool_use_id: 'a', content: `TOKEN=${SECRET} 5 passed` }] },
];
/** `windows` stretches of fifty messages with one claim each. */
function conversation(windows: number): object[] {
  const silence = Array.from({ length: 45 }, () => userSays('Go on.'));
  return [
    ...RUN,
    ...Array.from({ length: windows }, (_, n) => [agentSays(`All ${n + 5} tests pass.`), ...silence]).flat(),
  ];
}

async function pushed(
  lines: readonly object[] = conversation(1),
  id = newSessionId(),
  owner: Client = ann,
): Promise<string> {
  const answer = await pushSession(owner, id, await sessionArchive({ title: 'Judged' }, lines));
  expect([200, 201]).toContain(answer.status);
  return id;
}

const path = (id: string, tail = ''): string => `/api/v1/sessions/${id}/audit${tail}`;
const auditOf = (
  id: string,
  body: Record<string, string> = {},
  headers: Record<string, string> = {},
): Promise<Answer> => ann.post(path(id), body, headers);
const statusOf = async (id: string): Promise<Answer['body']> => (await ann.get(path(id, '/status'))).body;

async function until<Value>(look: () => Value | undefined | Promise<Value | undefined>): Promise<Value> {
  for (;;) {
    const value = await look();
    if (value !== undefined) return value;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
const endOf = (id: string): Promise<Answer['body']> =>
  until(async () => {
    const status = await statusOf(id);
    return status.status === 'running' ? undefined : status;
  });

describe('a model that judges', () => {
  it('sees claims and transcript without secrets, and its findings are the report', async () => {
    const id = await pushed();
    const answer = await auditOf(id);
    expect(answer).toMatchObject({
      status: 200,
      body: {
        ...{ session_id: id, model: 'test-model', base_url: '', warnings: [] },
        findings: [{ message_index: 2, claim: 'All 5 tests pass.', verdict: 'verified', severity: 'critical' }],
        summary: { total_claims: 1, verified: 1, trust_score: 1 },
      },
    });
    expect(peer.calls).toHaveLength(1);
    const [, { content } = { content: '' }] = peer.calls[0]!.messages;
    expect(content).toContain('1 tool_result "TOKEN=[REDACTED:github_token] 5 passed"');
    expect(content).not.toContain(SECRET);
    const status = await statusOf(id);
    expect(status).toMatchObject({ status: 'completed', windows_done: 1, windows_total: 1, model: 'test-model' });
    expect(status.input_tokens).toBeGreaterThan(100);
    expect(status.output_tokens).toBeGreaterThan(10);
    expect((await ann.get(path(id, 's'))).body).toMatchObject([{ judge_model: 'test-model', trust_score: 100 }]);
  });

  it('is the one the request names, else the one that is saved; the rules when they are asked for', async () => {
    const id = await pushed();
    const own = { model: 'other-model', llm_api_key: peer.key, base_url: `${peer.baseUrl}/` };
    expect((await auditOf(id, own)).body).toMatchObject({ model: 'other-model', base_url: peer.baseUrl });
    expect(peer.calls.at(-1)).toMatchObject({ model: 'other-model' });
    await ann.put('/api/v1/settings/judge', {
      ...{ provider: 'mine', model: 'gpt-5-test' },
      api_key: peer.key,
      base_url: peer.baseUrl,
    });
    expect((await auditOf(id)).body).toMatchObject({ model: 'gpt-5-test', provider: 'mine', base_url: peer.baseUrl });
    await ann.delete('/api/v1/settings/judge');
    expect((await auditOf(id, { model: 'rules' })).body).toMatchObject({ model: 'rules', provider: '' });
    expect((await ann.get(path(id, 's'))).body.map(({ judge_model }: { judge_model: string }) => judge_model)).toEqual([
      'rules',
      'gpt-5-test',
      'other-model',
    ]);
    const rows = await server.app.get(Database).query(`select 1 from session_audit where sealed_key is not null`);
    expect(rows).toEqual([]);
  });

  it('is not asked where there is nothing to ask', async () => {
    const silent = await pushed([...RUN, agentSays('Shall I go on?')]);
    expect(await auditOf(silent)).toMatchObject({
      status: 422,
      body: {
        error: 'no_claims_extracted',
        message: expect.any(String),
        session_stats: { tool_calls: 1, messages: 3 },
      },
    });
    expect(await statusOf(silent)).toMatchObject({ status: 'failed', reason: 'no_claims_extracted' });
    const talk = await pushed([userSays('Hi'), agentSays('Hello?')]);
    expect((await auditOf(talk)).body).toMatchObject({ findings: [], warnings: [expect.stringContaining('no tool')] });
    expect(peer.calls).toEqual([]);
  });

  it('may leave out an item, or a part of the conversation, and the report says so', async () => {
    const id = await pushed(conversation(5));
    const judge = judging('verified');
    peer.reply = (request) => {
      const content = String(request.messages.at(-1)!.content);
      return content.includes('All 5 tests') ? JSON.stringify([{ message_index: 'x' }]) : judge(request);
    };
    const { status, body } = await auditOf(id);
    expect(status).toBe(200);
    expect(body.warnings).toEqual([
      expect.stringMatching(/^1 of \d parts of the conversation could not be judged: .*message_index/),
    ]);
    expect(body.findings.length).toBeGreaterThan(1);
  });
});

describe('a model that fails', () => {
  const FAILURES: [string, Parameters<LlmPeer['next']>[0], number, string][] = [
    ['with a status', { status: 400, message: 'no' }, 502, 'llm_request_failed'],
    ['with no JSON', 'I would rather not.', 502, 'llm_request_failed'],
    ['with findings of no use', JSON.stringify([{ verdict: 'verified' }]), 502, 'llm_request_failed'],
    ['with half an answer', '[{"message_index": 2, "claim": "All 5', 502, 'llm_request_failed'],
  ];

  it.each(FAILURES)(
    '%s leaves the report before in place, and the status says why',
    async (_, reply, status, reason) => {
      const id = await pushed();
      const { body: report } = await auditOf(id);
      await ann.post(path(id, '/dismiss'), { finding_index: 0 });
      peer.reply = reply;
      const failed = await auditOf(id);
      expect(failed).toMatchObject({ status, body: { error: reason, message: expect.any(String) } });
      expect(Object.keys(failed.body)).not.toContain('detail');
      expect(await statusOf(id)).toMatchObject({ status: 'failed', reason, message: failed.body.message });
      expect((await ann.get(path(id))).body).toEqual({
        ...report,
        findings: [{ ...report.findings[0], ...DISMISSED() }],
      });
      expect((await ann.get(path(id, 's'))).body).toHaveLength(1);
    },
  );

  const DISMISSED = () => ({ dismissed: true, dismissed_by: ann.userId, dismissed_reason: '' });

  it('for want of time answers 504', async () => {
    const llm = server.app.get(Llm);
    const complete = llm.complete.bind(llm);
    jest
      .spyOn(llm, 'complete')
      .mockImplementation((to, prompt, terms) => complete(to, prompt, { ...terms, timeoutMs: 50 }));
    const release = peer.hold();
    const id = await pushed();
    expect(await auditOf(id)).toMatchObject({
      status: 504,
      body: { error: 'llm_timeout', message: expect.any(String) },
    });
    expect(await statusOf(id)).toMatchObject({ status: 'failed', reason: 'llm_timeout' });
    release();
  });

  it('for half of the conversation has failed, and is not asked on', async () => {
    const id = await pushed(conversation(8));
    peer.reply = { status: 400, message: 'no' };
    expect((await auditOf(id)).status).toBe(502);
    expect(peer.calls.length).toBeLessThan((await statusOf(id)).windows_total);
  });

  it('at an address that may not be called is not called', async () => {
    const answer = await auditOf(await pushed(), { llm_api_key: 'k', base_url: 'http://169.254.169.254/v1' });
    expect(answer).toMatchObject({ status: 422, body: { error: { details: { error: 'address_not_allowed' } } } });
  });
});

describe('while an audit runs', () => {
  const judged = (): Promise<true> => until(() => (peer.calls.length > 0 ? true : undefined));

  it('whoever asks again gets the same one; another judge or a newer version waits', async () => {
    const id = await pushed();
    const release = peer.hold();
    const first = auditOf(id);
    await judged();
    const more = [auditOf(id), auditOf(id)];
    expect(await statusOf(id)).toMatchObject({ status: 'running', windows_done: 0, windows_total: 1, attempt: 1 });
    expect(await auditOf(id, { model: 'rules' })).toMatchObject({
      status: 409,
      body: { error: { details: { error: 'audit_running' } } },
    });
    await pushed(conversation(2), id);
    expect((await auditOf(id)).status).toBe(409);
    release();
    const reports = (await Promise.all([first, ...more])).map(({ body }) => body);
    expect(new Set(reports.map((report) => JSON.stringify(report))).size).toBe(1);
    expect(peer.calls).toHaveLength(1);
    expect((await ann.get(path(id, 's'))).body).toHaveLength(1);
  });

  it('many who ask at once begin one', async () => {
    const id = await pushed();
    const answers = await Promise.all(Array.from({ length: 8 }, () => auditOf(id)));
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200));
    expect((await ann.get(path(id, 's'))).body.length).toBe(peer.calls.length);
  });

  it('it goes on when nobody waits for it any more', async () => {
    const id = await pushed();
    const release = peer.hold();
    const gone = new AbortController();
    const asked = fetch(server.url + path(id), {
      method: 'POST',
      headers: { 'x-api-key': ann.key!, 'content-type': 'application/json' },
      body: '{}',
      signal: gone.signal,
    });
    await judged();
    gone.abort();
    await expect(asked).rejects.toThrow();
    release();
    expect(await endOf(id)).toMatchObject({ status: 'completed', attempt: 1 });
  });

  it('the session may go, and nothing is left of it', async () => {
    const id = await pushed();
    const release = peer.hold();
    const asked = auditOf(id);
    await judged();
    await server.app.get(Database).query('delete from captured_session where id = $1', [id]);
    release();
    expect((await asked).status).toBe(404);
    expect((await ann.get(path(id, '/status'))).status).toBe(404);
  });
});

describe('an audit in the background', () => {
  const long = (): object[] => [...conversation(1), ...Array.from({ length: 460 }, () => userSays('Go on.'))];

  it('has its end in status and history', async () => {
    const id = await pushed(long());
    expect((await auditOf(id)).status).toBe(202);
    expect(await endOf(id)).toMatchObject({ status: 'completed' });
    expect((await ann.get(path(id, 's'))).body).toHaveLength(1);
    peer.reply = { status: 400, message: 'no' };
    expect((await auditOf(id)).status).toBe(202);
    expect(await endOf(id)).toMatchObject({ status: 'failed', reason: 'llm_request_failed' });
    expect((await ann.get(path(id, 's'))).body).toHaveLength(1);
    expect((await ann.get(path(id))).status).toBe(200);
  });

  it('is begun once by a key that is used twice, and so is one that is answered at once', async () => {
    for (const [lines, status] of [
      [long(), 202],
      [conversation(1), 200],
    ] as const) {
      const id = await pushed(lines);
      const key = { 'idempotency-key': randomUUID() };
      const first = await auditOf(id, {}, key);
      expect(first.status).toBe(status);
      await endOf(id);
      const again = await auditOf(id, {}, key);
      expect(again.headers.get('idempotency-replayed')).toBe('true');
      expect(again.body).toEqual(first.body);
      expect((await ann.get(path(id, 's'))).body).toHaveLength(1);
    }
  });
});

describe('what is pushed', () => {
  it('is audited a little later when its owner wants that, the newest version once', async () => {
    const db = server.app.get(Database);
    await ann.put('/api/v1/settings/audit-trigger', { trigger: 'on_sync' });
    const id = await pushed();
    const waiting = (): Promise<string> =>
      until(
        async () =>
          (
            await db.query<{ etag: string }>(
              `select a.etag from session_audit a join captured_session s
        on s.uid = a.session_uid where s.id = $1 and a.state = 'queued'`,
              [id],
            )
          )[0]?.etag,
      );
    const first = await waiting();
    await pushed(conversation(2), id);
    const second = await until(async () => ((await waiting()) === first ? undefined : await waiting()));
    await server.app.get(PeriodicTasks).runNow('sessions.resume-audits');
    expect(await statusOf(id)).toMatchObject({ status: 'running', trigger: 'on_sync', attempt: 0, etag: second });
    expect((await auditOf(id)).status).toBe(200);
    expect(await statusOf(id)).toMatchObject({ status: 'completed', trigger: 'manual', etag: second });
    const other = await pushed();
    await until(async () => (await statusOf(other)).audit_id ?? undefined);
    await db.query('update session_audit set run_after = now()');
    await server.app.get(PeriodicTasks).runNow('sessions.resume-audits');
    expect(await endOf(other)).toMatchObject({ status: 'completed', trigger: 'on_sync' });
    await ann.put('/api/v1/settings/audit-trigger', { trigger: 'manual' });
  });
});

describe('a process that ends', () => {
  it.each([
    ['killed', 'SIGKILL', 1],
    ['told to', 'SIGTERM', 0],
  ] as const)('%s leaves its audits to another one', async (_, signal, attempt) => {
    const db = server.app.get(Database);
    const dying = await startServerProcess({
      ...{ DATA_DIR: server.dataDir, DATABASE_URL: server.databaseUrl, APP_MODE: 'api' },
      ...{ LOG_LEVEL: 'fatal', SHUTDOWN_GRACE_SECONDS: '0' },
      ...modelSettings(peer),
    });
    const release = peer.hold();
    const id = await pushed();
    const asked = new Client(dying.url, ann.key).post(path(id), {});
    await until(() => (peer.calls.length > 0 ? true : undefined));
    const ended = once(dying.child, 'exit');
    dying.child.kill(signal);
    await expect(asked).rejects.toThrow();
    await ended;
    release();
    expect(await statusOf(id)).toMatchObject({ status: 'running', attempt });
    await db.query(`update session_audit set lease_until = now() - interval '1 second' where state = 'running'`);
    await server.app.get(PeriodicTasks).runNow('sessions.resume-audits');
    expect(await endOf(id)).toMatchObject({ status: 'completed', attempt: attempt + 1 });
    expect((await ann.get(path(id, 's'))).body).toHaveLength(1);
  });

  it('each time it is begun is no reason to begin it for ever', async () => {
    const id = await pushed();
    const db = server.app.get(Database);
    await db.query(
      `insert into session_audit (id, session_uid, version_id, etag, trigger, judge, model, provider, attempt, run_after,
         created_at) select 'aud_0123456789abcdef', uid, version_id, '', 'manual', 'rules', 'rules', '', 3, now(), now()
         from captured_session where id = $1`,
      [id],
    );
    await server.app.get(PeriodicTasks).runNow('sessions.resume-audits');
    expect(await endOf(id)).toMatchObject({ status: 'failed', reason: 'interrupted' });
  });
});
