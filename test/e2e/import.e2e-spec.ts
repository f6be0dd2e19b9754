import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { sessionArchive, newSessionId, pushSession, userSays } from '../support/captured-sessions.js';
import { ClaudeCodeLog } from '../support/claude-code-logs.js';
import { type CliRun, runCli } from '../support/cli.js';
import { signUp, type TestAccount } from '../support/client.js';
import { startTestServer, type TestServer } from '../support/server.js';

let server: TestServer;
let ann: TestAccount;
let folder: string;

beforeAll(async () => {
  server = await startTestServer();
});
beforeEach(async () => {
  ann = await signUp(server);
  folder = await mkdtemp(join(tmpdir(), 'rh-import-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});
afterAll(async () => {
  await server.close();
});

async function write(path: string, content: string | Buffer): Promise<string> {
  const target = join(folder, path);
  await mkdir(dirname(target), { recursive: true });
  await writeFile(target, content);
  return target;
}

const runImport = (args: readonly string[] = [], env: Record<string, string> = {}): Promise<CliRun> =>
  runCli(['import', folder, ...args], { ROUNDHOUSE_URL: server.url, ROUNDHOUSE_API_KEY: ann.key!, ...env });

const sessions = async (): Promise<Record<string, unknown>[]> => (await ann.get('/api/v1/sessions')).body.sessions;

/** The only session there is, with its messages. */
async function onlySession(): Promise<{ detail: Record<string, unknown>; messages: Record<string, unknown>[] }> {
  const [session, ...others] = await sessions();
  expect(others).toEqual([]);
  const path = `/api/v1/sessions/${session!['id'] as string}`;
  const [detail, messages] = [await ann.get(path), await ann.get(`${path}/messages?page_size=100`)];
  return { detail: detail.body, messages: messages.body.messages };
}

describe('the log of a conversation with Claude Code', () => {
  const conversation = (log = new ClaudeCodeLog()): ClaudeCodeLog => {
    log.raw(JSON.stringify({ type: 'summary', summary: 'Of another session', leafUuid: randomUUID() }));
    log.raw(JSON.stringify({ type: 'file-history-snapshot', messageId: randomUUID(), snapshot: {} }));
    log.user('<local-command-caveat>…</local-command-caveat>', { isMeta: true });
    log.user('Why does a tab break line 7?');
    log.assistant([
      { type: 'thinking', thinking: 'Look at the lexer.', signature: 'sig' },
      { type: 'text', text: 'I run the tests.' },
      { type: 'tool_use', id: 'toolu_1', name: 'Bash', input: { command: 'pytest -q tests/tabs' } },
    ]);
    log.toolResult('toolu_1', [{ type: 'text', text: '2 passed, 1 failed' }, { type: 'image' }], true);
    log.raw('{"type":"user","uuid":"torn off');
    log.raw('[1, 2]');
    log.line('system', { subtype: 'informational', content: 'A hook ran', level: 'info' });
    log.assistant([{ type: 'text', text: 'Prompt is too long' }], 'msg_err', '<synthetic>');
    log.assistant([{ type: 'text', text: 'One test still fails; the lexer skips tabs.' }]);
    return log.raw(JSON.stringify({ type: 'summary', summary: 'Tabs in the parser', leafUuid: log.lastUuid }));
  };

  it('becomes a session with its messages, tools, model, tokens, times, branch and title', async () => {
    const log = conversation();
    await write(`-srv-lex/${log.sessionId}.jsonl`, log.text);
    const { code, stdout, stderr } = await runImport();
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(`${log.sessionId}.jsonl (9 messages, 2 bad lines left out)`);
    expect(stdout).toContain('1 sessions: 1 imported, 0 updated, 0 unchanged, 0 skipped, 0 failed');
    const { detail, messages } = await onlySession();
    expect(detail).toMatchObject({
      title: 'Tabs in the parser',
      source_tool: 'claude-code',
      source_tool_version: '2.0.14',
      original_session_id: log.sessionId,
      model_provider: 'anthropic',
      model_id: 'claude-demo-5',
      message_count: 9,
      turn_count: 1,
      tool_use_count: 1,
      total_input_tokens: 30,
      total_output_tokens: 210,
      duration_ms: 8 * 60_000,
      git_branch: 'tabs',
    });
    expect(messages.map(({ role, content }) => [role, (content as { type: string }[])[0]!.type])).toEqual([
      ['user', 'text'],
      ['user', 'text'],
      ['assistant', 'thinking'],
      ['assistant', 'text'],
      ['assistant', 'tool_use'],
      ['tool', 'tool_result'],
      ['system', 'text'],
      ['assistant', 'text'],
      ['assistant', 'text'],
      ['system', 'summary'],
    ]);
    expect(messages[2]).toMatchObject({ content: [{ text: 'Look at the lexer.', signature: 'sig' }] });
    expect(messages[2]).not.toHaveProperty('usage');
    expect(messages[4]).toMatchObject({
      parent_msg_id: messages[3]!['msg_id'],
      model: 'claude-demo-5',
      content: [{ type: 'tool_use', tool_use_id: 'toolu_1', name: 'Bash', input: { command: 'pytest -q tests/tabs' } }],
      usage: { input_tokens: 10, output_tokens: 70, cache_read_tokens: 2_000, cache_write_tokens: 300 },
      timestamp: '2026-07-02T08:05:00.000Z',
    });
    expect(messages[5]).toMatchObject({
      content: [
        { type: 'tool_result', tool_use_id: 'toolu_1', content: '2 passed, 1 failed\n[image]', is_error: true },
      ],
    });
    expect(messages[7]).not.toHaveProperty('model');
    const { body } = await ann.get(`/api/v1/sessions/${detail['id'] as string}/workspace`);
    expect(body.workspace).toEqual({ root_path: '/srv/lex', git: { remote_url: null, branch: 'tabs' } });
  });

  it('takes its sub-agents along, which are no sessions of their own', async () => {
    const log = conversation();
    const agent = (id: string): ClaudeCodeLog =>
      new ClaudeCodeLog(log.sessionId, { isSidechain: true, agentId: id })
        .user('Look around')
        .assistant([{ type: 'text', text: `Agent ${id} is done` }]);
    await write(`p/${log.sessionId}.jsonl`, log.text);
    await write('p/agent-a1.jsonl', agent('a1').text);
    await write(`p/${log.sessionId}/subagents/agent-b2.jsonl`, agent('b2').text);
    expect((await runImport()).stdout).toContain('1 imported');
    const { detail, messages } = await onlySession();
    expect(detail).toMatchObject({ message_count: 13, turn_count: 1 });
    expect(JSON.stringify(messages)).not.toContain('is done');
  });

  it('is known again: a second import changes nothing, a longer one adds a version', async () => {
    const log = conversation();
    const path = `p/${log.sessionId}.jsonl`;
    await write(path, log.text);
    await runImport();
    const [first] = await sessions();
    const again = await runImport();
    expect(again.stdout).toMatch(/^unchanged /m);
    expect(await sessions()).toEqual([first]);
    await write(path, log.user('And now?').text);
    expect((await runImport()).stdout).toMatch(/^updated /m);
    const { versions } = (await ann.get(`/api/v1/sessions/${first!['id'] as string}/versions`)).body;
    expect(versions).toHaveLength(2);
    await ann.send('DELETE', `/api/v1/sessions/${first!['id'] as string}?scope=cloud`);
    const deleted = await runImport();
    expect(deleted).toMatchObject({ code: 0 });
    expect(deleted.stdout).toContain('skipped');
    expect(deleted.stdout).toContain('it was deleted on the server');
  });

  it.each([
    ['nothing', ''],
    ['no message', `${JSON.stringify({ type: 'summary', summary: 's', leafUuid: 'x' })}\n`],
    ['no JSON', '\0\xff not json\n{}\nnull\n"x"\n{"type":"user","uuid":1,"timestamp":"never"}\n'],
  ])('of %s is skipped', async (_, content) => {
    await write('p/empty.jsonl', content);
    const { code, stdout } = await runImport();
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining('there is no message in it') });
    expect(await sessions()).toEqual([]);
  });
});

describe('a folder of .sfs sessions', () => {
  const manifest = (id: string, more: object = {}): string =>
    JSON.stringify({
      sfs_version: '0.1.0',
      session_id: id,
      title: 'Teach the parser',
      source: { tool: 'codex' },
      ...more,
    });

  it('is imported, folders and archives alike; what fails is named and keeps no other', async () => {
    const [unpacked, packed] = [newSessionId(), newSessionId()];
    await write(`${unpacked}.sfs/manifest.json`, manifest(unpacked));
    await write(`${unpacked}.sfs/messages.jsonl`, `${JSON.stringify(userSays('tabs'))}\n`);
    await write(`${unpacked}.sfs/checkpoints/one/messages.jsonl`, `${JSON.stringify(userSays('old'))}\n`);
    await write(`${packed}.sfs`, await sessionArchive({ session_id: packed, title: 'Packed' }, [userSays('x')]));
    await write('broken.sfs', 'no archive');
    await write('poisoned.sfs/manifest.json', '{');
    await write('odd-name.sfs/manifest.json', manifest('not an id'));
    await write('odd-name.sfs/messages.jsonl', `${JSON.stringify(userSays('odd'))}\n`);
    await symlink('/etc/passwd', join(folder, 'odd-name.sfs', 'leak'));
    const { code, stdout } = await runImport(['--concurrency', '1']);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^failed .*broken\.sfs: /m);
    expect(stdout).toMatch(/^failed .*poisoned\.sfs: its manifest\.json is not JSON$/m);
    expect(stdout).toContain('5 sessions: 3 imported, 0 updated, 0 unchanged, 0 skipped, 2 failed');
    const ids = (await sessions()).map(({ id }) => id);
    expect(ids).toEqual(expect.arrayContaining([unpacked, packed]));
    expect((await runImport()).stdout).toContain('0 imported, 0 updated, 3 unchanged, 0 skipped, 2 failed');
  });

  it('does not lose what was pushed meanwhile: it stays as a version', async () => {
    const id = newSessionId();
    await write(`${id}.sfs/manifest.json`, manifest(id));
    await write(`${id}.sfs/messages.jsonl`, `${JSON.stringify(userSays('here'))}\n`);
    const elsewhere = await pushSession(ann, id, await sessionArchive({ title: 'There' }, [userSays('there')]));
    expect((await runImport()).stdout).toMatch(/^updated /m);
    const { versions } = (await ann.get(`/api/v1/sessions/${id}/versions`)).body;
    expect(versions).toMatchObject([{ is_current: true }, { etag: elsewhere.body.etag, is_branch: true }]);
  });

  it('is only looked at by --dry-run', async () => {
    const id = newSessionId();
    await write(`${id}.sfs/manifest.json`, manifest(id));
    await write(`${id}.sfs/messages.jsonl`, `${JSON.stringify(userSays('here'))}\n`);
    const { code, stdout } = await runImport(['--dry-run']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining('would be imported') });
    expect(stdout).toContain('nothing was sent');
    expect(await sessions()).toEqual([]);
  });
});

describe('the command', () => {
  it('waits as long as a busy server asks, and goes on', async () => {
    const seen: string[] = [];
    let busy = 2;
    const peer: Server = createServer((request, response) => {
      request.resume();
      request.on('end', () => {
        seen.push(request.method!);
        if (busy > 0) {
          busy -= 1;
          response.writeHead(429, { 'retry-after': '1' }).end();
          return;
        }
        response.writeHead(request.method === 'GET' ? 404 : 201, { 'content-type': 'application/json' });
        response.end(JSON.stringify(request.method === 'GET' ? {} : { etag: 'x' }));
      });
    });
    await new Promise<void>((listening) => peer.listen(0, '127.0.0.1', listening));
    await write('p/one.jsonl', new ClaudeCodeLog().user('hello').text);
    const url = `http://127.0.0.1:${(peer.address() as AddressInfo).port}`;
    const { code, stdout } = await runImport(['--url', url]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining('1 imported') });
    expect(seen).toEqual(['GET', 'GET', 'GET', 'PUT']);
    await new Promise((closed) => peer.close(closed));
  });

  it('stops at once when the key is not accepted', async () => {
    await write('p/one.jsonl', new ClaudeCodeLog().user('hello').text);
    const { code, stdout, stderr } = await runImport(['--key', 'rhu_wrong']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('does not accept the key');
  });

  it.each([
    [['--url', 'nowhere'], /no address of a server/],
    [['--concurrency', '0'], /Usage/],
    [['--what'], /Usage/],
    [['second'], /Usage/],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await runImport(args);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(message) });
  });

  it('needs a folder that is there, and a key', async () => {
    expect(await runCli(['import'], {})).toMatchObject({ code: 2 });
    expect(await runImport([], { ROUNDHOUSE_API_KEY: '' })).toMatchObject({ code: 2 });
    expect(await runCli(['import', join(folder, 'none')], { ROUNDHOUSE_API_KEY: 'k' })).toMatchObject({ code: 1 });
  });
});
