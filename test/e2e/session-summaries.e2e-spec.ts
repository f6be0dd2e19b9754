import { AppConfig, Database, PeriodicTasks } from '../../libs/platform/src/index.js';
import { newSessionId, pushSession, sessionArchive, userSays } from '../support/captured-sessions.js';
import { admin, type Answer, Client, signUp, type TestAccount } from '../support/client.js';
import { LlmPeer } from '../support/peers/llm.js';
import { eventually } from '../support/pinned-sessions.js';
import { startTestServer, type TestServer } from '../support/server.js';

let server: TestServer;
let peer: LlmPeer;
let ann: TestAccount;
let bo: TestAccount;

beforeAll(async () => {
  peer = await LlmPeer.start();
  server = await startTestServer({ OUTBOUND_ALLOW_PRIVATE: '127.0.0.1/32', NARRATIVE_INTERVAL_SECONDS: '0' });
  ann = await signUp(server);
  bo = await signUp(server);
});

afterAll(async () => {
  await server.close();
  await peer.stop();
});

const PLANTED = `sk-ant-api03-${'Zx9'.repeat(31)}`;
const told = (what: string): string =>
  JSON.stringify({ what_happened: what, key_decisions: ['kept tabs'], outcome: 'green', open_issues: [] });
const NARRATED = { key_decisions: ['kept tabs'], outcome: 'green', open_issues: [], narrative_model: 'test-model' };
const UNTOLD = { what_happened: null, key_decisions: null, outcome: null, open_issues: null, narrative_model: null };

const uses = (id: string, name: string, input: object): object => ({
  role: 'assistant',
  timestamp: '2026-11-01T10:00:00Z',
  content: [{ type: 'tool_use', tool_use_id: id, name, input }],
});
const answers = (id: string, content: string): object => ({
  role: 'tool',
  timestamp: '2026-11-01T10:12:00Z',
  content: [{ type: 'tool_result', tool_use_id: id, content }],
});
const WORK = [
  userSays(`Fix the tab in src/lex.ts. The key is ${PLANTED}`),
  uses('1', 'Read', { file_path: '/srv/src/lex.ts' }),
  answers('1', 'export {}'),
  uses('2', 'Write', { file_path: '/srv/src/tabs.ts', content: 'x' }),
  answers('2', 'ok'),
  uses('3', 'Bash', { command: 'npx jest' }),
  answers('3', 'Tests:       1 failed, 4 passed, 5 total\nError: expected a tab but found \0 spaces here'),
];

async function push(messages: readonly object[] = WORK, id = newSessionId(), owner: Client = ann): Promise<string> {
  const workspace = { git: { remote_url: 'https://github.com/acme/lex', branch: 'tabs', commit_sha: 'abc123' } };
  const archive = await sessionArchive(
    { title: 'Tabs', model: { model_id: 'm-1' }, stats: { message_count: 7 } },
    messages,
    [{ name: 'workspace.json', content: JSON.stringify(workspace) }],
  );
  expect((await pushSession(owner, id, archive)).status).toBeLessThan(300);
  return id;
}

const summaryOf = (id: string, client: Client = ann): Promise<Answer> => client.get(`/api/v1/sessions/${id}/summary`);
const narrate = (id: string, body: object = {}): Promise<Answer> =>
  ann.post(`/api/v1/sessions/${id}/summary/narrative`, { ...body });
const useModel = (): Promise<Answer> =>
  ann.put('/api/v1/settings/judge', {
    provider: 'custom',
    model: 'test-model',
    api_key: peer.key,
    base_url: peer.baseUrl,
  });

/** The summary once it is as wanted; jobs and events take their time. */
const wanted = (id: string, isWanted: (summary: Answer['body']) => boolean): Promise<Answer['body']> =>
  eventually(async () => {
    const { body } = await summaryOf(id);
    return isWanted(body) && body;
  });

describe('a summary', () => {
  it('counts what happened, once each, and knows branch and commit', async () => {
    const id = await push();
    const summary = {
      session_id: id,
      title: 'Tabs',
      tool: 'codex',
      model: 'm-1',
      duration_minutes: 12,
      message_count: 7,
      tool_call_count: 3,
      branch: 'tabs',
      commit: 'abc123',
      files_modified: ['/srv/src/tabs.ts'],
      files_read: ['/srv/src/lex.ts'],
      commands_executed: 1,
      tests_run: 5,
      tests_passed: 4,
      tests_failed: 1,
      packages_installed: [],
      errors_encountered: ['Error: expected a tab but found  spaces here'],
      ...UNTOLD,
      narrative_is_current: null,
      narrative_error: null,
      personas_active: [],
      generated_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    };
    expect(await summaryOf(id)).toMatchObject({ status: 200, body: summary });
    expect(Object.keys((await summaryOf(id)).body).sort()).toEqual(Object.keys(summary).sort());
    expect(await ann.post(`/api/v1/sessions/${id}/summary`)).toMatchObject({ status: 200, body: summary });
  });

  it('is kept until a push, and never of an older version', async () => {
    const id = await push();
    const first = (await summaryOf(id)).body;
    expect((await summaryOf(id)).body.generated_at).toBe(first.generated_at);
    await push([...WORK, uses('4', 'Write', { file_path: '/srv/src/more.ts', content: '' }), answers('4', 'ok')], id);
    expect((await summaryOf(id)).body.files_modified).toEqual(['/srv/src/tabs.ts', '/srv/src/more.ts']);
  });

  it('needs messages, a live session and the right person', async () => {
    expect(await summaryOf(await push([]))).toMatchObject({
      status: 422,
      body: { error: { message: 'Could not generate summary — no messages found' } },
    });
    const id = await push();
    for (const path of ['summary', 'summary/narrative']) {
      expect((await bo.post(`/api/v1/sessions/${id}/${path}`, {})).status).toBe(404);
      expect((await new Client(server.url, null).post(`/api/v1/sessions/${id}/${path}`, {})).status).toBe(401);
    }
    expect((await summaryOf(id, bo)).status).toBe(404);
    await ann.delete(`/api/v1/sessions/${id}?scope=cloud`);
    expect((await summaryOf(id)).status).toBe(404);
    for (const name of ['%00', 'x'.repeat(5_000), '..%2f'])
      expect([400, 422]).toContain((await summaryOf(name)).status);
  });
});

describe('a narrative', () => {
  it('needs a model with a key', async () => {
    const id = await push();
    for (const body of [{}, { model: 'test-model' }, { base_url: peer.baseUrl }])
      expect(await narrate(id, body)).toMatchObject({
        status: 400,
        body: { error: { message: 'No API key provided — set judge settings or pass llm_api_key' } },
      });
    expect((await narrate(id, { llm_api_key: 'k', base_url: 'https://10.0.0.1/v1' })).status).toBe(422);
  });

  it('is told by the model of the request, from text without secrets, and stays', async () => {
    const id = await push();
    peer.next(told('The tab was fixed.'));
    const { status, body } = await narrate(id, {
      model: 'test-model',
      llm_api_key: peer.key,
      base_url: peer.baseUrl,
    });
    const expected = { what_happened: 'The tab was fixed.', ...NARRATED, narrative_is_current: true };
    expect({ status, body }).toMatchObject({ status: 200, body: { ...expected, narrative_error: null, tests_run: 5 } });
    expect((await summaryOf(id)).body).toMatchObject(expected);
    const sent = JSON.stringify(peer.calls.at(-1));
    expect(sent).toContain('Fix the tab');
    expect(sent).not.toContain(PLANTED);
  });

  it('that fails is null with the reason, and does not undo the one before', async () => {
    await useModel();
    const id = await push();
    peer.next(told('Good.'));
    expect((await narrate(id)).body.what_happened).toBe('Good.');
    for (const [reply, code] of [
      [{ status: 400, message: 'no' }, 'llm_request_failed'],
      ['Sorry, I cannot.', 'not_json'],
      ['{"what_happened": 7}', 'wrong_shape'],
    ] as const) {
      peer.next(reply);
      expect(await narrate(id)).toMatchObject({
        status: 200,
        body: { ...UNTOLD, narrative_error: { code, message: expect.any(String) }, tests_run: 5 },
      });
    }
    const kept = (await summaryOf(id)).body;
    expect(kept).toMatchObject({ what_happened: 'Good.', narrative_error: { code: 'wrong_shape' } });
    await ann.delete('/api/v1/settings/judge');
  });

  it('holds no character that cannot be stored', async () => {
    const id = await push();
    peer.next(told('a\0b\ud800c'));
    const body = { model: 'test-model', llm_api_key: peer.key, base_url: peer.baseUrl };
    expect((await narrate(id, body)).status).toBe(200);
    expect((await summaryOf(id)).body.what_happened).toMatch(/^ab.c$/);
  });
});

describe('after a push', () => {
  beforeAll(useModel);
  afterAll(() => ann.delete('/api/v1/settings/judge'));

  it('a narrative is told anew; until then the older one is shown as such', async () => {
    const id = await push();
    peer.next(told('First.'));
    await narrate(id);
    const release = peer.hold();
    peer.next(told('Second.'));
    await push([...WORK, userSays('Thanks')], id);
    expect((await summaryOf(id)).body).toMatchObject({ what_happened: 'First.', narrative_is_current: false });
    release();
    const body = await wanted(id, (summary) => summary.narrative_is_current === true);
    expect(body).toMatchObject({ what_happened: 'Second.', narrative_error: null });
  });

  it('that came while the first narrative was told, it is told anew', async () => {
    const id = await push();
    const release = peer.hold();
    peer.next(told('First.'), told('Second.'));
    const before = peer.calls.length;
    const narrating = narrate(id);
    await eventually(() => Promise.resolve(peer.calls.length > before));
    await push([...WORK, userSays('Thanks')], id);
    release();
    await narrating;
    const body = await wanted(id, (summary) => summary.narrative_is_current === true);
    expect(body.what_happened).toBe('Second.');
  });

  it('a narrative that fails leaves the older one, and says why', async () => {
    const id = await push();
    peer.next(told('First.'));
    await narrate(id);
    peer.next({ status: 403, message: 'quota' });
    await push([...WORK, userSays('Thanks')], id);
    const body = await wanted(id, (summary) => summary.narrative_error !== null);
    expect(body).toMatchObject({
      what_happened: 'First.',
      narrative_is_current: false,
      narrative_error: { code: 'llm_request_failed', message: expect.stringContaining('403') },
    });
  });

  it('what changed while a model was asked is told too, by one more call', async () => {
    const id = await push();
    peer.next(told('First.'));
    await narrate(id);
    const before = peer.calls.length;
    const release = peer.hold();
    await push([...WORK, userSays('one')], id);
    await eventually(() => Promise.resolve(peer.calls.length === before + 1));
    for (const text of ['two', 'three', 'four']) await push([...WORK, userSays(text)], id);
    peer.reply = ({ messages }) => told(JSON.stringify(messages).includes('four') ? 'All four.' : 'Not all.');
    release();
    expect((await wanted(id, (summary) => summary.narrative_is_current === true)).what_happened).toBe('All four.');
    expect(peer.calls.length).toBeLessThanOrEqual(before + 3);
    peer.reply = 'Yes.';
  });

  it('it is told anew no more often than the operator allows, and then as the session is by then', async () => {
    const db = server.app.get(Database);
    Object.assign(server.app.get(AppConfig), { NARRATIVE_INTERVAL_SECONDS: 300 });
    peer.reply = ({ messages }) => told(`As of ${/push \d/.exec(JSON.stringify(messages))?.[0]}.`);
    const id = await push();
    await narrate(id);
    await push([...WORK, userSays('push 1')], id);
    await wanted(id, (summary) => summary.what_happened === 'As of push 1.');
    const before = peer.calls.length;
    for (const text of ['push 2', 'push 3']) await push([...WORK, userSays(text)], id);
    const waiting = (): Promise<unknown[]> =>
      db.query(
        `select from model_job j join captured_session s on s.uid = j.session_uid
                 where s.id = $1 and j.state = 'queued' and j.apart_seconds = 300`,
        [id],
      );
    await eventually(async () => (await waiting()).length === 1);
    await db.query(`update model_job set requested_at = now() - interval '2 minutes' where state = 'queued'`);
    await server.app.get(PeriodicTasks).runNow('sessions.requeue-model-jobs');
    expect([peer.calls.length, (await waiting()).length]).toEqual([before, 1]);
    await db.query(`update model_job set finished_at = finished_at - interval '5 minutes'`);
    await server.app.get(PeriodicTasks).runNow('sessions.requeue-model-jobs');
    const body = await wanted(id, (summary) => summary.narrative_is_current === true);
    expect(body.what_happened).toBe('As of push 3.');
    expect(peer.calls.length).toBe(before + 1);
    Object.assign(server.app.get(AppConfig), { NARRATIVE_INTERVAL_SECONDS: 0 });
  });

  it('one is told for whoever wants it with every push, and for nobody else', async () => {
    const quiet = await push(WORK, newSessionId(), bo);
    await ann.put('/api/v1/settings/summarize-trigger', { trigger: 'on_sync' });
    peer.reply = told('By itself.');
    const id = await push();
    expect((await wanted(id, (summary) => summary.what_happened !== null)).what_happened).toBe('By itself.');
    await ann.put('/api/v1/settings/summarize-trigger', { trigger: 'manual' });
    expect((await summaryOf(quiet, bo)).body).toMatchObject({ ...UNTOLD, narrative_error: null });
  });
});

it('a job that a dead node held is done by another, and one that keeps being lost has failed', async () => {
  await useModel();
  const [again, lost] = [await push(), await push()];
  const db = server.app.get(Database);
  const insert = (id: string, attempts: number): Promise<unknown> =>
    db.query(
      `insert into model_job (id, kind, session_uid, user_id, input, state, attempts, lease_until)
       select gen_random_uuid(), 'narrative', uid, user_id, '{}', 'running', $2, now() - interval '1 second'
         from captured_session where id = $1`,
      [id, attempts],
    );
  await insert(again, 1);
  await insert(lost, 3);
  peer.reply = told('After all.');
  await server.app.get(PeriodicTasks).runNow('sessions.requeue-model-jobs');
  // The sweep sends what has waited for a minute; this one was put in line just now.
  await db.query(`update model_job set requested_at = now() - interval '2 minutes' where state = 'queued'`);
  await server.app.get(PeriodicTasks).runNow('sessions.requeue-model-jobs');
  expect((await wanted(again, (summary) => summary.what_happened !== null)).what_happened).toBe('After all.');
  const [job] = await db.query(
    `select state, problem ->> 'code' as code from model_job j join captured_session s on s.uid = j.session_uid
      where s.id = $1`,
    [lost],
  );
  expect(job).toEqual({ state: 'failed', code: 'job_lost' });
  await ann.delete('/api/v1/settings/judge');
});

describe('the list of summaries', () => {
  it('is of the caller’s live sessions, newest first, with counts where there are some', async () => {
    const owner = await signUp(server);
    const ids: string[] = [];
    for (let count = 0; count < 3; count += 1) ids.unshift(await push(WORK, newSessionId(), owner));
    await summaryOf(ids[1]!, owner);
    const trashed = await push(WORK, newSessionId(), owner);
    await owner.delete(`/api/v1/sessions/${trashed}?scope=cloud`);
    const { body } = await owner.get('/api/v1/summaries');
    expect(body.map(({ session_id }: { session_id: string }) => session_id)).toEqual(ids);
    const bare = { session_id: ids[0], title: 'Tabs', tool: 'codex', message_count: 7, created_at: expect.any(String) };
    expect(body[0]).toEqual(bare);
    expect(body[1]).toMatchObject({ tool_call_count: 3, files_modified: ['/srv/src/tabs.ts'], tests_failed: 1 });
    const pages: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const page: Answer = await owner.get(`/api/v1/summaries?limit=2&cursor=${cursor}`);
      pages.push(...page.body.map(({ session_id }: { session_id: string }) => session_id));
      cursor = page.headers.get('x-next-cursor');
    }
    expect(pages).toEqual(ids);
    const middle = encodeURIComponent(body[1].created_at as string);
    expect((await owner.get(`/api/v1/summaries?since=${middle}`)).body).toHaveLength(2);
    expect((await owner.get(`/api/v1/summaries?until=${middle}`)).body).toHaveLength(2);
    expect((await owner.get(`/api/v1/summaries?until=2020-01-01T00:00:00+02:00`)).body).toEqual([]);
    expect((await owner.get('/api/v1/summaries?since=2020-01-01')).body).toHaveLength(3);
  });

  it('refuses what is no time, no limit and no cursor of ours', async () => {
    for (const query of [
      'since=yesterday',
      'until=2026-02-30',
      'limit=0',
      'limit=101',
      'limit=x',
      'cursor=x',
      'since=%00',
    ])
      expect({ query, status: (await ann.get(`/api/v1/summaries?${query}`)).status }).toEqual({ query, status: 422 });
  });
});

it('summaries belong to their plans', async () => {
  const free = await signUp(server);
  const id = await push(WORK, newSessionId(), free);
  const tier = { tier: 'free', reason: 'test' };
  expect((await (await admin(server)).put(`/api/v1/admin/users/${free.userId}/tier`, tier)).status).toBe(200);
  expect((await summaryOf(id, free)).status).toBe(200);
  for (const path of ['summary', 'summary/narrative'])
    expect(await free.post(`/api/v1/sessions/${id}/${path}`, {})).toMatchObject({
      status: 403,
      body: { error: { details: { error: 'upgrade_required' } } },
    });
});
