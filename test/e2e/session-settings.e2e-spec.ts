import { createHmac, randomInt } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Database, PeriodicTasks } from '../../libs/platform/src/index.js';
import { agentSays, newSessionId, pushSession, sessionArchive } from '../support/captured-sessions.js';
import { type Answer, Client, signUp, type TestAccount } from '../support/client.js';
import { moveClock } from '../support/clock.js';
import { actingFor, seedOrg, unseatMember } from '../support/org-rows.js';
import { LlmPeer } from '../support/peers/llm.js';
import { eventually, sql } from '../support/pinned-sessions.js';
import { startOn, startTestServer, type TestServer } from '../support/server.js';

const JUDGE = '/api/v1/settings/judge';
const GITHUB = '/api/v1/settings/github';
const GITLAB = '/api/v1/settings/gitlab';
const SECRET = 'github-webhook-secret';
const ENV = { OUTBOUND_ALLOW_PRIVATE: '127.0.0.1/32', GITHUB_WEBHOOK_SECRET: SECRET };

let server: TestServer;
let peer: LlmPeer;
let ann: TestAccount;
let bo: TestAccount;

beforeAll(async () => {
  peer = await LlmPeer.start();
  server = await startTestServer(ENV);
  ann = await signUp(server);
  bo = await signUp(server);
});

afterAll(async () => {
  await server.close();
  await peer.stop();
});

/** The field a 422 is about: one of a rule of its own, else the first of the body that does not fit. */
function fieldOf({ body }: Answer): unknown {
  const { field, errors } = body.error.details;
  return field ?? errors[0].loc[1];
}

describe('judge settings', () => {
  const saved = { provider: 'custom', model: 'test-model', key_set: true };
  const given = (): Record<string, string> => ({
    provider: 'custom',
    model: 'test-model',
    api_key: peer.key,
    base_url: `${peer.baseUrl}/`,
  });

  it('are empty at first, kept per person, and forgotten on demand', async () => {
    const unset = { provider: '', model: '', key_set: false, base_url: null };
    expect((await ann.get(JUDGE)).body).toEqual(unset);
    expect((await ann.put(JUDGE, given())).body).toEqual({ ...saved, base_url: peer.baseUrl });
    expect((await ann.get(JUDGE)).body).toEqual({ ...saved, base_url: peer.baseUrl });
    expect((await bo.get(JUDGE)).body).toEqual(unset);
    for (let round = 0; round < 2; round += 1) expect((await ann.delete(JUDGE)).body).toEqual({ deleted: true });
    expect((await ann.get(JUDGE)).body).toEqual(unset);
  });

  it('keep the key when none is given, and say so only if there is one', async () => {
    const { api_key: _, ...keyless } = given();
    expect((await ann.put(JUDGE, keyless)).body.key_set).toBe(false);
    await ann.put(JUDGE, given());
    expect((await ann.put(JUDGE, { ...keyless, model: 'other-model' })).body.key_set).toBe(true);
    expect((await ann.put(JUDGE, { provider: 'openai', model: 'gpt-4o', api_key: '' })).body).toEqual({
      provider: 'openai',
      model: 'gpt-4o',
      key_set: true,
      base_url: null,
    });
  });

  it('send the key to the host it was given for only', async () => {
    await ann.put(JUDGE, given());
    const elsewhere = { provider: 'x', model: 'm', base_url: 'https://elsewhere.example/v1' };
    const refused = await ann.put(JUDGE, elsewhere);
    expect(refused).toMatchObject({ status: 422, body: { error: { details: { field: 'api_key' } } } });
    expect((await ann.get(JUDGE)).body.base_url).toBe(peer.baseUrl);
    const thief = await LlmPeer.start();
    try {
      expect((await ann.get(`${JUDGE}/models?base_url=${thief.baseUrl}`)).body.error).toContain('401');
      expect(thief.keys).toEqual([null]);
    } finally {
      await thief.stop();
    }
  });

  it('hold no address that may not be called', async () => {
    for (const base_url of [
      'https://10.0.0.1/v1',
      'http://169.254.169.254/',
      'ftp://x.example',
      'nonsense',
      'https://u:p@x.example',
      'https://x.example/?a=1',
    ])
      expect(await ann.put(JUDGE, { ...given(), base_url })).toMatchObject({
        status: 422,
        body: { error: { details: { field: 'base_url' } } },
      });
  });

  it('are nowhere readable: neither in the database nor in the audit log', async () => {
    await ann.put(JUDGE, given());
    const tables = ['judge_settings', 'audit', 'event', 'idempotency'];
    for (const table of tables) {
      const rows = await server.app.get(Database).query(`select t::text as row from ${table} t`);
      expect(JSON.stringify(rows)).not.toContain(peer.key);
      expect(JSON.stringify(rows)).not.toContain(Buffer.from(peer.key).toString('hex'));
    }
  });

  it('refuse what is no setting, without repeating the key', async () => {
    for (const wrong of [
      { model: 7 },
      { provider: 'p\0' },
      { model: 'm'.repeat(201) },
      { api_key: 'two words' },
      { base_url: {} },
    ]) {
      const refused = await ann.put(JUDGE, { ...given(), ...wrong });
      expect({ status: refused.status, field: fieldOf(refused) }).toEqual({
        status: 422,
        field: Object.keys(wrong)[0],
      });
      expect(JSON.stringify(refused.body)).not.toContain('two words');
    }
  });
});

describe('the models of an endpoint', () => {
  it('are asked for with the key given, or the stored one', async () => {
    const url = `${JUDGE}/models?base_url=${encodeURIComponent(peer.baseUrl)}`;
    const models = ['gpt-5-test', 'other-model', 'test-model'].map((id) => ({ id, owned_by: 'peer' }));
    expect((await bo.get(`${url}&api_key=${peer.key}`)).body).toEqual({ models, base_url: peer.baseUrl });
    await ann.put(JUDGE, { provider: 'custom', model: 'test-model', api_key: peer.key, base_url: peer.baseUrl });
    expect((await ann.get(url)).body).toEqual({ models, base_url: peer.baseUrl });
  });

  it('that cannot be asked are none, and why is said with 200', async () => {
    for (const [base_url, why] of [
      [peer.baseUrl, '401'],
      ['https://10.1.1.1', 'public internet'],
      ['nonsense', 'URL'],
    ]) {
      const { status, body } = await bo.get(`${JUDGE}/models?base_url=${encodeURIComponent(base_url!)}`);
      expect({ status, body }).toEqual({ status: 200, body: { models: [], error: expect.stringContaining(why!) } });
    }
    expect((await bo.get(`${JUDGE}/models`)).status).toBe(422);
  });
});

it('triggers are manual until set, each by itself, and refuse what is none', async () => {
  for (const name of ['audit-trigger', 'summarize-trigger']) {
    const path = `/api/v1/settings/${name}`;
    expect((await bo.get(path)).body).toEqual({ trigger: 'manual' });
    expect((await bo.put(path, { trigger: 'on_sync' })).body).toEqual({ trigger: 'on_sync' });
    expect((await bo.get(path)).body).toEqual({ trigger: 'on_sync' });
    expect(await bo.put(path, { trigger: 'always' })).toMatchObject({
      status: 400,
      body: { error: { message: "Trigger must be 'manual', 'on_sync', or 'on_pr'" } },
    });
    expect((await bo.put(path, { trigger: 7 })).status).toBe(422);
    expect((await bo.put(path, {})).status).toBe(422);
  }
});

describe('GitLab settings', () => {
  it('show their webhook secret once', async () => {
    const empty = {
      instance_url: 'https://gitlab.com',
      has_token: false,
      webhook_secret: null,
      has_webhook_secret: false,
    };
    expect((await ann.get(GITLAB)).body).toEqual(empty);
    const first = await ann.put(GITLAB, { access_token: 'glpat-1' });
    const set = { ...empty, has_token: true, has_webhook_secret: true };
    expect(first.body).toEqual({ ...set, webhook_secret: expect.stringMatching(/^[0-9a-f]{32}$/) });
    expect((await ann.get(GITLAB)).body).toEqual(set);
    expect((await ann.put(GITLAB, { access_token: 'glpat-2' })).body).toEqual(set);
    const own = await ann.put(GITLAB, { access_token: 'glpat-2', webhook_secret: 'mine' });
    expect(own.body).toEqual({ ...set, webhook_secret: 'mine' });
    expect((await bo.get(GITLAB)).body).toEqual(empty);
    for (let round = 0; round < 2; round += 1) expect((await ann.delete(GITLAB)).status).toBe(204);
    expect((await ann.get(GITLAB)).body).toEqual(empty);
  });

  it('need a token and an address that may be called', async () => {
    for (const [body, field] of [
      [{}, 'access_token'],
      [{ access_token: '' }, 'access_token'],
      [{ access_token: 'x', instance_url: 'https://192.168.1.1' }, 'instance_url'],
    ] as const) {
      const refused = await ann.put(GITLAB, body);
      expect({ status: refused.status, field: fieldOf(refused) }).toEqual({ status: 422, field });
    }
  });
});

const deliver = (body: unknown, { event = 'installation', secret = SECRET } = {}): Promise<Answer> => {
  const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  return new Client(server.url, null).send('POST', '/api/v1/webhooks/github', bytes, {
    'x-github-event': event,
    'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(bytes).digest('hex')}`,
  });
};
const installed = async (action = 'created', id = randomInt(1, 2 ** 40)): Promise<number> => {
  const delivery = { action, installation: { id, account: { login: 'octo-org', type: 'Organization' } } };
  expect((await deliver(delivery)).body).toEqual({ status: 'ok' });
  return id;
};

describe('a pull request', () => {
  const named = (name: string): object => ({ id: 1, full_name: name });
  const pull = (installation: number, branch: string, more: object = {}): Promise<Answer> =>
    deliver(
      {
        ...{ action: 'opened', number: 7, installation: { id: installation }, repository: named('Acme/Lex') },
        pull_request: { number: 7, head: { ref: branch, repo: named('ada/lex') } },
        ...more,
      },
      { event: 'pull_request' },
    );
  /** A session in which the agent calls a red suite green, captured on the branch. */
  async function captured(owner: Client, branch: string, remote = 'git@github.com:Acme/Lex.git'): Promise<string> {
    const id = newSessionId();
    const call = { type: 'tool_use', tool_use_id: 'u', name: 'Bash', input: { command: 'npx jest' } };
    const result = { type: 'tool_result', tool_use_id: 'u', content: 'Tests: 2 failed, 3 passed, 5 total' };
    const messages = [
      { role: 'assistant', content: [call] },
      { role: 'tool', content: [result] },
      agentSays('All 5 tests pass.'),
    ];
    const git = JSON.stringify({ git: { remote_url: remote, branch } });
    const archive = await sessionArchive({}, messages, [{ name: 'workspace.json', content: git }]);
    expect((await pushSession(owner, id, archive)).status).toBe(201);
    return id;
  }
  const auditsOf = async (owner: Client, id: string): Promise<Record<string, unknown>[]> => {
    await sql(server, "update session_audit set run_after = now() where state = 'queued'");
    await server.app.get(PeriodicTasks).runNow('sessions.resume-audits');
    return (await owner.get(`/api/v1/sessions/${id}/audits`)).body;
  };
  let cy: TestAccount;
  let installation: number;

  beforeAll(async () => {
    cy = await signUp(server);
    installation = await installed();
    await cy.put(GITHUB, { installation_id: installation });
    await cy.put('/api/v1/settings/audit-trigger', { trigger: 'on_pr' });
  });

  it('has what its person captured on its branch audited once, and nothing else', async () => {
    const dee = await signUp(server);
    await dee.put('/api/v1/settings/audit-trigger', { trigger: 'on_pr' });
    const about = [await captured(cy, 'tabs'), await captured(cy, 'tabs', 'https://github.com/ada/lex')];
    const others = [
      [cy, await captured(cy, 'spaces')],
      [cy, await captured(cy, 'tabs', 'https://github.com/acme/other')],
      [dee, await captured(dee, 'tabs')],
    ] as const;
    expect((await pull(installation, 'tabs')).body).toEqual({ status: 'ok' });
    for (const id of about) {
      const [audit] = await eventually(async () => {
        const audits = await auditsOf(cy, id);
        return audits.length > 0 && audits;
      });
      expect(audit).toMatchObject({ trigger: 'on_pr', judge_model: 'rules', contradiction_count: 1 });
    }
    expect((await pull(installation, 'tabs', { action: 'synchronize' })).body).toEqual({ status: 'ok' });
    await pull(installation, 'spaces');
    await eventually(async () => (await auditsOf(cy, others[0][1])).length === 1);
    for (const id of about) expect(await auditsOf(cy, id)).toHaveLength(1);
    for (const [owner, id] of others.slice(1)) expect(await auditsOf(owner, id)).toEqual([]);
  });

  it('is nothing to who did not ask for it, and when it is closed', async () => {
    await captured(cy, 'quiet');
    expect((await pull(installation, 'quiet', { action: 'closed' })).body).toEqual({ status: 'ignored' });
    expect((await pull(await installed(), 'quiet')).body).toEqual({ status: 'ignored' });
    for (const trigger of ['manual', 'on_sync']) {
      await cy.put('/api/v1/settings/audit-trigger', { trigger });
      expect((await pull(installation, 'quiet')).body).toEqual({ status: 'ignored' });
    }
    await cy.put('/api/v1/settings/audit-trigger', { trigger: 'on_pr' });
    expect((await pull(installation, 'quiet')).body).toEqual({ status: 'ok' });
  });

  it('reaches no session of an organisation that its person has left', async () => {
    const org = await seedOrg(server, cy);
    await captured(actingFor(cy, org), 'gone');
    expect((await pull(installation, 'gone')).body).toEqual({ status: 'ok' });
    await unseatMember(server, org, cy);
    expect((await pull(installation, 'gone')).body).toEqual({ status: 'ignored' });
  });

  it.each([
    ['no repository', { repository: null, pull_request: { number: 7, head: { ref: 'x', repo: null } } }],
    ['no branch', { pull_request: { number: 7, head: { ref: 7 } } }],
    ['no number', { pull_request: { head: { ref: 'x' } } }],
    ['no installation', { installation: undefined }],
    ['a branch with NUL', { pull_request: { number: 7, head: { ref: 'a\0b' } } }],
  ])('without its facts is refused: %s', async (_, more) => {
    expect((await pull(installation, 'tabs', more)).status).toBe(400);
  });
});

describe('GitHub installations', () => {
  const defaults = { auto_comment: true, include_trust_score: true, include_session_links: true };
  const none = { installation_id: null, account_login: null, account_type: null };

  it('without one, options are answered and not kept', async () => {
    expect((await ann.get(GITHUB)).body).toEqual({ ...none, ...defaults });
    expect((await ann.put(GITHUB, { auto_comment: false })).body).toEqual({
      ...none,
      ...defaults,
      auto_comment: false,
    });
    expect((await ann.get(GITHUB)).body).toEqual({ ...none, ...defaults });
  });

  it('are claimed once, by one, and hold their options', async () => {
    const id = await installed();
    const answers = await Promise.all(
      [ann, bo].map((one) => one.put(GITHUB, { installation_id: id, auto_comment: false })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 403]);
    const winner = answers[0]!.status === 200 ? ann : bo;
    const expected = {
      installation_id: id,
      account_login: 'octo-org',
      account_type: 'Organization',
      ...defaults,
      auto_comment: false,
    };
    expect((await winner.get(GITHUB)).body).toEqual(expected);
    await installed('created', id);
    expect((await winner.put(GITHUB, { installation_id: id, include_trust_score: false })).body).toEqual({
      ...expected,
      include_trust_score: false,
    });
    expect((await winner.put(GITHUB, { auto_comment: true })).body).toMatchObject({
      auto_comment: true,
      installation_id: id,
    });
    await installed('deleted', id);
    expect((await winner.get(GITHUB)).body).toEqual({ ...none, ...defaults });
  });

  it('nobody has told of are unknown', async () => {
    expect((await ann.put(GITHUB, { installation_id: 987_654_321 })).status).toBe(404);
    for (const installation_id of ['7', 1.5, 0, -1, 2 ** 60, {}])
      expect((await ann.put(GITHUB, { installation_id })).status).toBe(422);
  });

  it('are told of with a signature only, and in GitHub’s words', async () => {
    const delivery = { action: 'created', installation: { id: 1, account: { login: 'x', type: 'User' } } };
    expect((await deliver(delivery, { secret: 'guess' })).status).toBe(401);
    expect((await new Client(server.url, null).post('/api/v1/webhooks/github', delivery)).status).toBe(401);
    expect((await deliver({ zen: 'ok' }, { event: 'ping' })).body).toEqual({ status: 'ignored' });
    for (const wrong of [
      '[',
      '[]',
      {},
      { installation: { id: 'x', account: { login: 'x', type: 'User' } } },
      { installation: { id: 1, account: 'x' } },
    ])
      expect((await deliver(wrong)).status).toBe(400);
  });

  it('can be claimed within 15 minutes', async () => {
    const id = await installed();
    moveClock([server], 15 * 60_000 + 1_000);
    expect((await ann.put(GITHUB, { installation_id: id })).status).toBe(410);
  });
});

it('after the server has lost its secret, a key is not set, and its use says what to do', async () => {
  await ann.put(JUDGE, { provider: 'custom', model: 'test-model', api_key: peer.key, base_url: peer.baseUrl });
  await ann.put(GITLAB, { access_token: 'glpat-1' });
  rmSync(join(server.dataDir, 'secrets', 'sealing'));
  const other = await startOn(server.databaseUrl, server.dataDir, ENV);
  try {
    const there = new Client(other.url, ann.key);
    expect((await there.get(JUDGE)).body).toMatchObject({ model: 'test-model', key_set: false });
    expect((await there.get(`${JUDGE}/models?base_url=${peer.baseUrl}`)).body).toEqual({
      models: [],
      error: 'The stored judge API key can no longer be read; save it again',
    });
    expect((await there.get(GITLAB)).body).toMatchObject({ has_token: false, has_webhook_secret: false });
    expect((await there.put(GITLAB, { access_token: 'x' })).body.webhook_secret).toMatch(/^[0-9a-f]{32}$/);
  } finally {
    await other.close();
  }
});
