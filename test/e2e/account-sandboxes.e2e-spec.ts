import { failure, newSandboxPerson, type SandboxPerson } from '../support/account-sandboxes.js';
import { Client, createRepo } from '../support/client.js';
import { createOrg } from '../support/organisations.js';
import { modelSettings } from '../support/model-settings.js';
import { LlmPeer } from '../support/peers/llm.js';
import { SandboxCli, SandboxCliFailure } from '../support/peers/sandbox-cli.js';
import { eventually, sql } from '../support/pinned-sessions.js';
import { onAbleMachines } from '../support/sandboxes.js';
import { startTestServer, type TestServer } from '../support/server.js';

let model: LlmPeer;
let server: TestServer;

beforeAll(async () => {
  model = await LlmPeer.start();
  server = await startTestServer({
    PUBLIC_URL: 'https://roundhouse.test',
    ...modelSettings(model),
  });
});

afterAll(async () => {
  await server.close();
  await model.stop();
});

const newPerson = (): Promise<SandboxPerson> => newSandboxPerson(server);
const repoCount = async ({ account }: SandboxPerson): Promise<number> =>
  (await account.get('/v1/repos')).body.repos.length;

describe('an account that has no sandbox', () => {
  it('is shown what there is: nothing', async () => {
    const { cli } = await newPerson();
    expect(await cli.get('/api/sandboxes')).toEqual({
      status: 'success',
      sandboxes: [],
      snapshot_id: null,
      github_repo: null,
      filetree: null,
      nextCursor: null,
    });
  });

  it('is told so when it reads or uploads a file', async () => {
    const { cli } = await newPerson();
    await expect(cli.get('/api/sandboxes/file?path=a')).rejects.toEqual(failure(404, /no sandbox: create one/));
    await expect(cli.upload('/api/sandboxes/files', { a: 'x' })).rejects.toEqual(failure(404, /no sandbox/));
  });

  it('may drop what it does not have, any number of times', async () => {
    const { cli } = await newPerson();
    const nothing = { status: 'success', deleted_snapshot_id: null, deleted_github_repo: null };
    expect(await cli.delete('/api/sandboxes')).toEqual(nothing);
    expect(await cli.delete('/api/sandboxes')).toEqual(nothing);
  });
});

describe('setting up', () => {
  it('makes a repository and a sandbox on it, once for many who ask at the same time', async () => {
    const person = await newPerson();
    const answers = await Promise.all(Array.from({ length: 5 }, () => person.cli.post('/api/sandboxes/setup')));
    const [first] = answers;
    expect(first).toEqual({
      status: 'success',
      snapshot_id: null,
      github_repo: `https://roundhouse.test/${person.account.slug}/personal.git`,
      sandboxes: [
        {
          sandboxId: expect.any(String) as string,
          sandboxStatus: 'running',
          timeout: expect.any(Number) as number,
          createdAt: expect.any(Number) as number,
        },
      ],
    });
    expect(new Set(answers.map(({ sandboxes }) => sandboxes[0].sandboxId as string)).size).toBe(1);
    expect(await repoCount(person)).toBe(1);
    const repo = (await person.account.get('/v1/repos/personal')).body;
    expect(repo).toMatchObject({ visibility: 'private', default_branch: 'main' });
    const { sandboxes } = await person.cli.get('/api/sandboxes');
    expect(sandboxes).toHaveLength(1);
    expect((await person.cli.post('/api/sandboxes/setup')).sandboxes[0].sandboxId).toBe(sandboxes[0].sandboxId);
  });

  it('leaves a repository alone that the account itself has called personal, and so does dropping', async () => {
    const person = await newPerson();
    await createRepo(person.account, 'personal');
    const { github_repo: url } = await person.cli.post('/api/sandboxes/setup');
    expect(url).toMatch(/\/personal-[0-9a-f]{8}\.git$/);
    expect(await person.cli.delete('/api/sandboxes')).toEqual({
      status: 'success',
      deleted_snapshot_id: null,
      deleted_github_repo: url,
    });
    expect((await person.account.get('/v1/repos')).body.repos).toMatchObject([{ slug: 'personal' }]);
    expect((await person.cli.get('/api/sandboxes')).github_repo).toBeNull();
  });

  it('needs a key that may make repositories', async () => {
    const { account } = await newPerson();
    const { body } = await account.post('/api/v1/auth/keys', { name: 'narrow', scopes: ['sandboxes:write'] });
    const narrow = new SandboxCli(server.url, body.raw_key as string);
    await expect(narrow.post('/api/sandboxes/setup')).rejects.toEqual(failure(403, /repos:write/));
    await new SandboxCli(server.url, account.key!).post('/api/sandboxes/setup');
    await expect(narrow.delete('/api/sandboxes')).rejects.toEqual(failure(403, /repos:write/));
  });
});

onAbleMachines('a sandbox with a command', () => {
  it('is made, up, and answers what the command printed', async () => {
    const { cli, account } = await newPerson();
    const made = await cli.post('/api/sandboxes', { command: 'echo out; echo err >&2; pwd; exit 3' });
    const id = made.sandboxes[0].sandboxId as string;
    expect(made).toMatchObject({
      status: 'success',
      sandboxes: [{ sandboxStatus: 'running' }],
      execution: {
        sandboxId: id,
        state: 'exited',
        success: false,
        exitCode: 3,
        stdout: `out\n/opt/sandbox/workspace/.sessions/${id}/work\n`,
        stderr: 'err\n',
        timedOut: false,
      },
    });
    const { execution } = await cli.get(`/api/sandboxes/executions/${made.execution.executionId}`);
    expect(execution).toEqual(made.execution);
    const stranger = await newPerson();
    await expect(stranger.cli.get(`/api/sandboxes/executions/${made.execution.executionId}`)).rejects.toEqual(
      failure(404, 'Execution not found'),
    );
    expect((await account.get(`/api/sessions/${id}`)).body.session).toMatchObject({ id, lifecycleState: 'active' });
    expect((await account.get('/api/sessions')).body.sessions).toEqual([]);
  });

  it('runs a program with arguments without a shell, in a directory and with variables of the client', async () => {
    const { cli } = await newPerson();
    const asked = { command: '/bin/sh', args: ['-c', 'echo "$A $0"', '$HOME'], env: { A: 'b' } };
    expect((await cli.post('/api/sandboxes', asked)).execution).toMatchObject({ stdout: 'b $HOME\n', success: true });
    await expect(cli.post('/api/sandboxes', { command: 'pwd', cwd: 'absent' })).rejects.toEqual(failure(400, /cwd/));
  });

  it('answers at once when the command goes on in the background', async () => {
    const { cli } = await newPerson();
    const { execution } = await cli.post('/api/sandboxes', { command: 'sleep 0.3; echo late', background: true });
    expect(execution).toMatchObject({ state: 'running', exitCode: null, stdout: null });
    const ended = await eventually(async () => {
      const answer = await cli.get(`/api/sandboxes/executions/${execution.executionId}`);
      return answer.execution.state === 'exited' && answer.execution;
    });
    expect(ended).toMatchObject({ success: true, stdout: 'late\n' });
  });

  it('is made once for an Idempotency-Key, and runs its command once', async () => {
    const { account } = await newPerson();
    const body = { command: 'echo x >> ../count; cat ../count' };
    const once = { 'Idempotency-Key': 'one' };
    const [first, second] = await Promise.all([
      account.post('/api/sandboxes', body, once),
      account.post('/api/sandboxes', body, once),
    ]);
    expect(first.body.execution).toMatchObject({ stdout: 'x\n' });
    expect(second.body.execution).toEqual(first.body.execution);
    expect((await account.get('/api/sandboxes')).body.sandboxes).toHaveLength(1);
    expect(await account.post('/api/sandboxes', { command: 'true' }, once)).toMatchObject({
      status: 422,
      body: { status: 'error', code: 'idempotency_key_reused' },
    });
  });
});

onAbleMachines('a sandbox with a prompt', () => {
  it('is brought up by the run that answers', async () => {
    const { cli, account } = await newPerson();
    model.next({ toolCalls: [{ name: 'exec', arguments: { command: 'echo 42 > made.txt' } }] }, 'Made.');
    const made = await cli.post('/api/sandboxes', { prompt: 'Make it', model: 'other-model' });
    expect(made).toMatchObject({ status: 'success', sandboxes: [{ sandboxId: made.sessionId }] });
    await eventually(async () => (await cli.get(`/api/chat/runs/${made.runId}`)).status === 'completed');
    expect(await cli.get('/api/sandboxes/file?path=made.txt')).toMatchObject({ content: '42\n', encoding: 'utf-8' });
    const { chats } = await cli.get('/api/chats');
    expect(chats).toMatchObject([{ id: made.chatId, sessionId: made.sessionId }]);
    const again = { 'Idempotency-Key': 'p' };
    const [one, two] = [
      await account.post('/api/sandboxes', { prompt: 'Once' }, again),
      await account.post('/api/sandboxes', { prompt: 'Once' }, again),
    ];
    expect(two.body.runId).toBe(one.body.runId);
    expect((await cli.get('/api/sandboxes')).sandboxes).toHaveLength(2);
  });
});

describe('a sandbox is not made', () => {
  it.each<[object, string | RegExp]>([
    [{ prompt: '  ' }, /^prompt must be a text/],
    [{ prompt: 7 }, 'prompt must be a string'],
    [{ prompt: 'x', command: 'y' }, /not for both/],
    [{ model: 'm' }, /^model is for a prompt/],
    [{ command: '' }, /^command must be a text/],
    [{ command: 'a\0b' }, /^command must be a text/],
    [{ command: '\t' }, /^command must be a text/],
    [{ args: ['x'] }, 'args is for a command, and there is none'],
    [{ command: 'ls', args: [7] }, 'args must be a list of strings'],
    [{ command: 'ls', args: 'x' }, 'args must be a list of strings'],
    [{ command: 'ls', cwd: '../x' }, 'Invalid file path'],
    [{ command: 'ls', env: { 'a b': 'c' } }, /^env/],
    [{ command: 'ls', timeoutMs: 1 }, /timeoutMs/],
    [{ command: 'ls', background: 'yes' }, 'background must be a boolean'],
  ])('for %j', async (body, message) => {
    const { cli } = await newPerson();
    await expect(cli.post('/api/sandboxes', body)).rejects.toEqual(failure(400, message));
    expect((await cli.get('/api/sandboxes')).sandboxes).toEqual([]);
  });

  it('for another account, nor is one shown', async () => {
    const { cli } = await newPerson();
    const other = { account_id: '00000000-0000-4000-8000-000000000000' };
    const denied = failure(403, 'Access denied to specified account_id');
    await expect(cli.post('/api/sandboxes', other)).rejects.toEqual(denied);
    await expect(cli.get(`/api/sandboxes?account_id=${other.account_id}`)).rejects.toEqual(denied);
    await expect(cli.patch('/api/sandboxes', { ...other, snapshotId: null })).rejects.toEqual(denied);
  });

  it('without a credential, with two, or with a body that is no JSON', async () => {
    const anonymous = new Client(server.url, null);
    expect(await anonymous.post('/api/sandboxes', {})).toMatchObject({ status: 401, body: { status: 'error' } });
    const { account } = await newPerson();
    const raw = await account.send('POST', '/api/sandboxes', Buffer.from('{"a"'));
    expect(raw).toMatchObject({ status: 400, body: { status: 'error', error: 'Invalid JSON body' } });
    const preflight = await fetch(`${server.url}/api/sandboxes`, { method: 'OPTIONS' });
    expect([preflight.status, await preflight.text()]).toEqual([200, '']);
  });
});

describe('the list of sandboxes', () => {
  it('comes page by page, newest first', async () => {
    const { cli } = await newPerson();
    const made: string[] = [];
    for (let i = 0; i < 3; i += 1) made.unshift((await cli.post('/api/sandboxes')).sandboxes[0].sandboxId as string);
    const idsOf = ({ sandboxes }: { sandboxes: { sandboxId: string }[] }): string[] =>
      sandboxes.map(({ sandboxId }) => sandboxId);
    const one = await cli.get('/api/sandboxes?limit=2');
    const two = await cli.get(`/api/sandboxes?limit=2&cursor=${one.nextCursor}`);
    expect([...idsOf(one), ...idsOf(two)]).toEqual(made);
    expect(two.nextCursor).toBeNull();
    expect(idsOf(await cli.get('/api/sandboxes'))).toEqual(made);
  });

  it.each(['limit=0', 'limit=101', 'limit=x', 'cursor=x', 'cursor=%00', 'filetree=1'])(
    'is refused for %s',
    async (query) => {
      const { cli } = await newPerson();
      await expect(cli.get(`/api/sandboxes?${query}`)).rejects.toBeInstanceOf(SandboxCliFailure);
      await expect(cli.get(`/api/sandboxes?${query}`)).rejects.toMatchObject({ status: 400 });
    },
  );

  it('of commands knows no id that is none', async () => {
    const { cli } = await newPerson();
    for (const id of ['exec_000000000000000000000000', 'a%20b', 'x'.repeat(10_000)])
      await expect(cli.get(`/api/sandboxes/executions/${id}`)).rejects.toEqual(failure(404, 'Execution not found'));
  });
});

describe('a session on the personal repository', () => {
  it('comes with a chat and what to say first; the repository is made once, also for many at the same time', async () => {
    const person = await newPerson();
    const { account } = person;
    const answers = await Promise.all(Array.from({ length: 5 }, () => account.post('/api/sessions/personal')));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 5 }, () => 200));
    expect(await repoCount(person)).toBe(1);
    const cloneUrl = `https://roundhouse.test/${account.slug}/personal.git`;
    for (const { body } of answers)
      expect(body).toEqual({
        session: expect.objectContaining({ cloneUrl, lifecycleState: 'provisioning' }) as object,
        chat: expect.objectContaining({ sessionId: body.session.id }) as object,
        bootstrapPrompt: expect.stringContaining('personal') as string,
      });
    expect((await account.get('/api/sessions')).body.sessions).toHaveLength(5);
    const sessionId = answers[0]!.body.session.id as string;
    expect(await account.post('/api/sandbox', { sessionId })).toMatchObject({ body: { currentBranch: 'main' } });
    expect((await account.get('/api/sandboxes')).body).toMatchObject({ github_repo: cloneUrl, sandboxes: [] });
  });

  it('is made once for an Idempotency-Key, together with the repository', async () => {
    const person = await newPerson();
    const once = { 'Idempotency-Key': 'personal' };
    const first = await person.account.post('/api/sessions/personal', undefined, once);
    const second = await person.account.post('/api/sessions/personal', undefined, once);
    expect(second.body).toEqual(first.body);
    expect((await person.account.get('/api/sessions')).body.sessions).toHaveLength(1);
    expect(await repoCount(person)).toBe(1);
  });

  it('is made anew when the repository was deleted', async () => {
    const person = await newPerson();
    await person.account.post('/api/sessions/personal');
    await person.account.delete('/v1/repos/personal');
    expect((await person.account.post('/api/sessions/personal')).status).toBe(200);
    expect(await repoCount(person)).toBe(1);
  });

  it('is not for who has an organisation, and leaves nothing then', async () => {
    const person = await newPerson();
    await createOrg(person.account);
    expect(await person.account.post('/api/sessions/personal')).toMatchObject({
      status: 409,
      body: { status: 'error', code: 'has_organizations' },
    });
    expect(await repoCount(person)).toBe(0);
  });

  it('says that the repository cannot be made, and leaves nothing', async () => {
    const person = await newPerson();
    await sql(server, `create function refuse() returns trigger language plpgsql as $$ begin raise 'no'; end $$`);
    await sql(server, `create trigger refuse before insert on account_home for each row execute function refuse()`);
    try {
      expect(await person.account.post('/api/sessions/personal')).toMatchObject({
        status: 502,
        body: { status: 'error', error: 'Failed to provision workspace repository' },
      });
      expect((await person.account.get('/api/sessions')).body.sessions).toEqual([]);
      expect(await repoCount(person)).toBe(0);
    } finally {
      await sql(server, 'drop trigger refuse on account_home');
      await sql(server, 'drop function refuse');
    }
  });
});
