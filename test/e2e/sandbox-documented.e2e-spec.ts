import { type Answer, signUp, type TestAccount } from '../support/client.js';
import { documentedOperations, undocumented } from '../support/documented.js';
import { modelSettings } from '../support/model-settings.js';
import { LlmPeer } from '../support/peers/llm.js';
import { onAbleMachines } from '../support/sandboxes.js';
import { startTestServer, type TestServer } from '../support/server.js';

const SURFACE =
  /^\S+ \/(?:v1\/(?:sessions|responses|skills|usage)|api\/(?:sessions|chat|chats|sandbox|sandboxes|git-status))(?:\/|$)/;
const NOBODYS = 'msg_000000000000000000000000';

let peer: LlmPeer;
let server: TestServer;
let alice: TestAccount;
const asked = new Set<string>();
const found: string[] = [];
/** What stands for the names in braces. */
const names: Record<string, string> = {};

beforeAll(async () => {
  peer = await LlmPeer.start();
  server = await startTestServer(modelSettings(peer));
  alice = await signUp(server);
});

afterAll(async () => {
  await server.close();
  await peer.stop();
});

/** Asks and notes what the document does not say of the answer. */
async function ask(operation: string, body?: object, more: { query?: string; accept?: string } = {}): Promise<Answer> {
  const [method = '', template = ''] = operation.split(' ');
  const path = template.replace(/\{(\w+)\}/g, (_, name: string) => names[name] ?? 'none');
  const headers: Record<string, string> = more.accept === undefined ? {} : { accept: more.accept };
  const answer = await alice.send(method, path + (more.query ?? ''), body as Record<string, unknown>, headers);
  asked.add(operation);
  found.push(...undocumented(operation, answer));
  return answer;
}

/** Each as it is, and once more as it is refused. */
async function askAll(
  operations: readonly (readonly [operation: string, body?: object, query?: string])[],
): Promise<void> {
  for (const [operation, body, query = ''] of operations)
    await ask(operation, body, { query, accept: 'application/json' });
}

async function askAgentSurface(): Promise<void> {
  names['session_id'] = (await ask('POST /v1/sessions', { metadata: { a: 1 } })).body.id as string;
  names['path'] = `.sessions/${names['session_id']}/a`;
  const exec = 'POST /v1/sessions/{session_id}/exec';
  names['execution_id'] = (await ask(exec, { argv: ['true'] }, { accept: 'application/json' })).body.id as string;
  const running = (await ask(exec, { argv: ['cat'], background: true })).body.id as string;
  const one = '/v1/sessions/{session_id}';
  await askAll([
    ['POST /v1/sessions', { ttl: 1 }],
    ['GET /v1/sessions'],
    ['GET /v1/sessions', undefined, '?limit=0'],
    [`GET ${one}`],
    [`PATCH ${one}`, { metadata: { b: 2 } }],
    [`PUT ${one}/files/{path}`, {}],
    [`GET ${one}/files`, undefined, '?path=.sessions'],
    [`GET ${one}/files`, undefined, '?path=../x'],
    [`GET ${one}/files/{path}`],
    [`DELETE ${one}/files/{path}`],
    [`DELETE ${one}/files/{path}`],
    [exec, { argv: [] }],
    [exec, { argv: ['true'], cwd: 'none' }],
    [`GET ${one}/exec`],
    [`GET ${one}/exec/{execution_id}`],
    [`GET ${one}/exec/{execution_id}/events`],
    [`POST ${one}/exec/{execution_id}/stdin`, {}],
    [`POST ${one}/exec/{execution_id}/signal`, { signal: 'SIGINT' }],
    [`POST ${one}/exec/{execution_id}/cancel`],
  ]);
  names['execution_id'] = running;
  await askAll([
    [`GET ${one}/exec/{execution_id}`],
    [`POST ${one}/exec/{execution_id}/signal`, { signal: 'SIGCONT' }],
    [`POST ${one}/exec/{execution_id}/cancel`],
    [`POST ${one}/messages`, { message: 'Hello' }],
    [`POST ${one}/messages`, {}],
    [`POST ${one}/tool_results`, { response_id: NOBODYS, tool_results: [{ id: 'a', content: '' }] }],
    ['POST /v1/responses', { input: 'Hello' }],
    ['POST /v1/responses', {}],
    ['GET /v1/usage'],
    ['GET /v1/skills'],
    ['GET /v1/skills/{name}'],
    ['POST /v1/skills/{name}', {}],
    ['DELETE /v1/skills/{name}'],
    [`GET ${one}/responses/{response_id}/events`],
    [`POST ${one}/responses/{response_id}/cancel`],
    ['GET /v1/responses/{response_id}/events'],
    ['POST /v1/responses/{response_id}/cancel'],
    ['DELETE /v1/sessions'],
    ['DELETE /v1/sessions', undefined, '?older_than=9h'],
    [`GET ${one}/files/{path}`, undefined, '/..'],
    [`DELETE ${one}`],
    [`DELETE ${one}`],
  ]);
}

async function askSessions(): Promise<void> {
  const made = (await ask('POST /api/sessions', { isNewBranch: true })).body;
  names['session_id'] = made.session.id as string;
  names['chat_id'] = made.chat.id as string;
  const one = '/api/sessions/{session_id}';
  const chat = `${one}/chats/{chat_id}`;
  const message = { id: 'm', role: 'assistant', parts: [] };
  await askAll([
    ['GET /api/sessions'],
    ['GET /api/sessions', undefined, '?status=archived'],
    ['GET /api/sessions', undefined, '?status=none'],
    [`GET ${one}`],
    [`PATCH ${one}`, { title: '' }],
    ['POST /api/sessions/personal'],
    [`GET ${one}/chats`],
    [`POST ${one}/chats`, { id: 'another' }],
    [`POST ${one}/chats`, { id: '!' }],
    [`GET ${chat}`],
    [`PATCH ${chat}`, { title: 'Title' }],
    [`PATCH ${chat}`, {}],
    [`POST ${chat}/read`],
    [`POST ${chat}/messages`, { message }],
    [`POST ${chat}/messages`, {}],
    [`DELETE ${chat}/messages/{message_id}`],
    ['GET /api/chats'],
  ]);
}

async function askSandboxesOfSessions(): Promise<void> {
  const one = '/api/sessions/{session_id}';
  const body = { sessionId: names['session_id'] };
  const query = `?sessionId=${names['session_id']}`;
  const chatted = { id: 'u', role: 'user', parts: [{ type: 'text', text: 'Hello' }] };
  await askAll([
    [`GET ${one}/files`],
    ['POST /api/sandbox/extend', body],
    ['POST /api/sandbox', {}],
    ['POST /api/sandbox', body],
    ...(['status', 'reconnect'] as const).map((verb) => [`GET /api/sandbox/${verb}`, undefined, query] as const),
    ['GET /api/sandbox/status'],
    ['POST /api/sandbox/extend', body],
    ['POST /api/sandbox/activity', body],
    [`GET ${one}/files`],
    [`GET ${one}/files/content`, undefined, '?path=none'],
    [`GET ${one}/diff`],
    [`GET ${one}/diff/cached`],
    [`GET ${one}/skills`],
    [`POST ${one}/discard-uncommitted`],
    [`POST ${one}/generate-commit-message`],
    [`POST ${one}/checks/fix`, { checkRuns: [{ name: 'a', conclusion: 'failure' }] }],
    [`POST ${one}/checks/fix`],
    ['POST /api/git-status', body],
    [`POST ${one}/dev-server`],
    [`DELETE ${one}/dev-server`],
    ...(['GET', 'POST', 'DELETE'] as const).map((method) => [`${method} ${one}/code-editor`] as const),
    ['POST /api/chat', { ...body, chatId: names['chat_id'], messages: [chatted] }],
    ['POST /api/chat', body],
    ['GET /api/chat/{chat_id}/stream'],
    ['POST /api/chat/{chat_id}/stop'],
    ['POST /api/chat/runs', { prompt: 'Hello' }],
    ['GET /api/chat/runs/{run_id}'],
    ['POST /api/sandbox/snapshot', body],
    [`GET ${one}`],
    ['PUT /api/sandbox/snapshot', body],
    ['DELETE /api/sandbox', body],
    ['DELETE /api/sandbox', body],
    [`PATCH ${one}`, { status: 'archived' }],
    ['POST /api/sandbox', body],
    [`DELETE ${one}/chats/{chat_id}`],
    [`DELETE ${one}`],
    [`DELETE ${one}`],
  ]);
}

async function askAccountSandboxes(): Promise<void> {
  const made = await ask('POST /api/sandboxes', { command: 'echo hi' });
  names['execution_id'] = made.body.execution.executionId as string;
  await askAll([
    ['GET /api/sandboxes/executions/{execution_id}'],
    ['POST /api/sandboxes', { prompt: 'Hello' }],
    ['POST /api/sandboxes', { args: [] }],
    ['POST /api/sandboxes/files', { files: [{ path: 'a', content: 'x' }] }],
    ['POST /api/sandboxes/files', {}],
    ['GET /api/sandboxes/file', undefined, '?path=a'],
    ['POST /api/sandboxes/staged-file', {}],
    ['GET /api/sandboxes'],
    ['PATCH /api/sandboxes', { snapshotId: 'none' }],
    ['PATCH /api/sandboxes', { snapshotId: null }],
    ['POST /api/sandboxes/setup'],
    ['DELETE /api/sandboxes'],
  ]);
}

onAbleMachines('every route of the sandboxes', () => {
  it('answers what the document of the API says, successes and refusals', async () => {
    await askAgentSurface();
    await askSessions();
    await askSandboxesOfSessions();
    await askAccountSandboxes();
    expect(found).toEqual([]);
    expect(documentedOperations().filter((each) => SURFACE.test(each) && !asked.has(each))).toEqual([]);
  });
});
