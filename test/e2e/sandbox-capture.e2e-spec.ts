import { randomBytes } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { PeriodicTasks } from '../../libs/platform/src/index.js';
import { ConversationCapture } from '../../libs/sessions/src/capture/conversation-capture.js';
import { newSessionId, pushSession, sessionArchive, userSays } from '../support/captured-sessions.js';
import { admin, Client, signUp, type TestAccount } from '../support/client.js';
import { moveClock } from '../support/clock.js';
import { actingFor, seedMember, seedOrg } from '../support/org-rows.js';
import { modelSettings } from '../support/model-settings.js';
import { LlmPeer } from '../support/peers/llm.js';
import { eventually, sql } from '../support/pinned-sessions.js';
import { found } from '../support/search.js';
import { startTestServer, type TestServer } from '../support/server.js';

const SECRET = 'sk-' + 'ant-api03-' + 'c3D4'.repeat(10);
const ACTED = {
  id: 'acted',
  role: 'assistant',
  parts: [
    { type: 'step-start' },
    { type: 'reasoning', text: 'Look first.' },
    { type: 'text', text: 'I list the quokkas.' },
    { type: 'tool-exec', toolCallId: 'c1', state: 'output-available', input: { command: 'ls' }, output: 'quokka.txt' },
    { type: 'dynamic-tool', toolName: 'write', toolCallId: 'c2', state: 'output-error', input: {}, errorText: 'no' },
    { type: 'step-start' },
    { type: 'text', text: 'There is one.' },
    { type: 'tool-exec', toolCallId: 'c3', state: 'input-available', input: { command: 'cat' } },
  ],
};

let peer: LlmPeer;
let server: TestServer;
let ann: TestAccount;

beforeAll(async () => {
  peer = await LlmPeer.start();
  server = await startTestServer(modelSettings(peer));
  ann = await signUp(server);
});

afterAll(async () => {
  await server.close();
  await peer.stop();
});

interface TestChat {
  readonly by: Client;
  readonly id: string;
  readonly sandbox: string;
  readonly path: string;
}

async function newChat(by: Client = ann, body: Record<string, string> = {}): Promise<TestChat> {
  const { session, chat } = (await by.post('/api/sessions', body)).body;
  return { by, id: chat.id, sandbox: session.id, path: `/api/sessions/${session.id}/chats/${chat.id}` };
}

async function says(chat: TestChat, text: string, id = newSessionId()): Promise<void> {
  const message = { id, role: 'assistant', parts: [{ type: 'text', text }] };
  expect(await chat.by.post(`${chat.path}/messages`, { message })).toMatchObject({ status: 200 });
}

/** What it is recorded as, once it is. */
const recorded = ({ by, path }: TestChat): Promise<string> =>
  eventually(async () => (await by.get(path)).body.chat.capturedSessionId as string | null);

const untilFound = (id: string, word: string, by: Client = ann): Promise<boolean> =>
  eventually(async () => (await found(by, word)).includes(id));

const versionsOf = async (id: string, by: Client = ann): Promise<{ is_branch: boolean; etag: string }[]> =>
  (await by.get(`/api/v1/sessions/${id}/versions`)).body.versions;

const linesOf = async (id: string): Promise<{ role: string; content: object[] }[]> =>
  (await ann.get(`/api/v1/sessions/${id}/messages`)).body.messages;

async function archiveOf(id: string, by: Client = ann): Promise<string> {
  const answer = await fetch(`${by.url}/api/v1/sessions/${id}/sync`, { headers: { 'x-api-key': by.key! } });
  return gunzipSync(Buffer.from(await answer.arrayBuffer())).toString();
}

/** Has everything recorded that has happened so far: a conversation that comes later is. */
async function caughtUp(): Promise<void> {
  const chat = await newChat();
  await says(chat, 'done');
  await recorded(chat);
}

async function captureAgain({ id, sandbox }: TestChat): Promise<void> {
  const [row] = await sql<{ id: string }>(server, 'select account_id as id from sandbox where id = $1', [sandbox]);
  await server.app.get(ConversationCapture).capture({ accountId: row!.id, sandboxId: sandbox, chatId: id });
}

describe('a chat', () => {
  it('is recorded as a session that can be searched, and that says where it is from', async () => {
    const chat = await newChat(ann, { branch: 'fix/wombats', cloneUrl: 'https://github.com/acme/zoo' });
    expect((await ann.get(chat.path)).body.chat.capturedSessionId).toBeNull();
    await says(chat, 'The wombatometer is broken.');
    const id = await recorded(chat);
    await untilFound(id, 'wombatometer');
    expect((await ann.get(`/api/v1/sessions/${id}`)).body).toMatchObject({
      source_tool: 'roundhouse',
      original_session_id: chat.sandbox,
      git_branch: 'fix/wombats',
      git_remote: 'acme/zoo',
      message_count: 1,
      visibility: 'private',
    });
    const listed = (await ann.get(`/api/sessions/${chat.sandbox}/chats`)).body.chats;
    expect(listed).toMatchObject([{ id: chat.id, capturedSessionId: id }]);
    expect(await found(await signUp(server), 'wombatometer')).toEqual([]);
  });

  it('keeps one session, of which each turn makes a version and none a branch', async () => {
    const chat = await newChat();
    await says(chat, 'One numbat.', 'm-1');
    const id = await recorded(chat);
    await says(chat, 'Two numbats.', 'm-2');
    await eventually(async () => (await linesOf(id)).length === 2);
    await says(chat, 'Three bilbies.', 'm-2');
    await untilFound(id, 'bilbies');
    expect((await versionsOf(id)).map(({ is_branch }) => is_branch)).toEqual([false, false, false]);
    await captureAgain(chat);
    await Promise.all([captureAgain(chat), captureAgain(chat)]);
    expect(await versionsOf(id)).toHaveLength(3);
    expect(await recorded(chat)).toBe(id);
  });

  it('becomes one session when several processes record it first', async () => {
    const chat = await newChat();
    await sql(
      server,
      `insert into chat_message (account_id, id, chat_id, role, message, created_at)
       select account_id, 'unheard', id, 'user', '{"parts":[{"type":"text","text":"A thylacine!"}]}', clock_timestamp()
         from chat where id = $1`,
      [chat.id],
    );
    await Promise.allSettled([1, 2, 3, 4].map(() => captureAgain(chat)));
    expect(await found(ann, 'thylacine')).toEqual([await recorded(chat)]);
  });

  it('is recorded step by step, with what tools answered', async () => {
    const chat = await newChat();
    expect((await ann.post(`${chat.path}/messages`, { message: ACTED })).status).toBe(200);
    const id = await recorded(chat);
    expect(await linesOf(id)).toMatchObject([
      {
        role: 'assistant',
        content: [
          { type: 'thinking', text: 'Look first.' },
          { type: 'text', text: 'I list the quokkas.' },
          { type: 'tool_use', tool_use_id: 'c1', name: 'exec', input: { command: 'ls' } },
          { type: 'tool_use', tool_use_id: 'c2', name: 'write' },
        ],
      },
      {
        role: 'tool',
        content: [
          { type: 'tool_result', tool_use_id: 'c1', content: 'quokka.txt', is_error: false },
          { type: 'tool_result', tool_use_id: 'c2', content: 'no', is_error: true },
        ],
      },
      { role: 'assistant', content: [{ text: 'There is one.' }, { type: 'tool_use', tool_use_id: 'c3' }] },
    ]);
    expect((await ann.get(`/api/v1/sessions/${id}`)).body).toMatchObject({ message_count: 3, tool_use_count: 3 });
  });

  it('is recorded whatever shape its messages have', async () => {
    const chat = await newChat();
    const parts = [null, 7, 'x', {}, { type: 5 }, { type: 'tool-', toolCallId: 'c' }, { type: 'text' }, [[]]];
    const message = { id: 'odd', role: 'assistant', parts };
    expect((await ann.post(`${chat.path}/messages`, { message })).status).toBe(200);
    await says(chat, 'After the oddity.');
    await untilFound(await recorded(chat), 'oddity');
  });

  it('loses its secrets, also where no policy asks for that', async () => {
    const chat = await newChat();
    await says(chat, `The dunnart key is ${SECRET}.`);
    const id = await recorded(chat);
    const archive = await archiveOf(id);
    expect(archive).toContain('The dunnart key is [REDACTED:');
    expect(archive).not.toContain(SECRET);
  });

  it('can be shared', async () => {
    const chat = await newChat();
    await says(chat, 'See the potoroo.');
    const id = await recorded(chat);
    const { url } = (await ann.post(`/api/v1/sessions/${id}/share`, {})).body;
    const shown = await new Client(server.url, null).get(new URL(url).pathname, { accept: 'application/json' });
    expect(shown.status).toBe(200);
    expect(JSON.stringify(shown.body)).toContain('See the potoroo.');
  });
});

describe('what happens to a recorded chat', () => {
  it('is followed when messages are cut off, and not when the chat goes', async () => {
    const chat = await newChat();
    await says(chat, 'The bettong stays.', 'stays');
    await sql(
      server,
      `insert into chat_message (account_id, id, chat_id, role, message, created_at)
       select account_id, 'asked', id, 'user', '{"id":"asked","role":"user","parts":[{"type":"text","text":"And?"}]}',
              clock_timestamp() from chat where id = $1`,
      [chat.id],
    );
    await says(chat, 'The quoll goes.', 'goes');
    const id = await recorded(chat);
    await untilFound(id, 'quoll');
    expect((await ann.delete(`${chat.path}/messages/asked`)).body.deletedMessageIds).toEqual(['asked', 'goes']);
    await eventually(async () => (await found(ann, 'quoll')).length === 0);
    expect((await ann.delete(`/api/sessions/${chat.sandbox}`)).status).toBe(200);
    await caughtUp();
    expect(await found(ann, 'bettong')).toEqual([id]);
  });

  it('leaves what a client pushed onto it listed as a branch', async () => {
    const chat = await newChat();
    await says(chat, 'The first kowari.');
    const id = await recorded(chat);
    const { body } = await pushSession(ann, id, await sessionArchive({ title: 'Mine' }, [userSays('A mulgara.')]));
    await says(chat, 'The second kowari.');
    await untilFound(id, 'kowari');
    const branches = (await versionsOf(id)).filter(({ is_branch }) => is_branch);
    expect(branches.map(({ etag }) => etag)).toContain(body.etag);
  });

  it('does not bring back what its owner has deleted, also once it is purged', async () => {
    const chat = await newChat();
    await says(chat, 'Forget the planigale.');
    const id = await recorded(chat);
    expect((await ann.delete(`/api/v1/sessions/${id}?scope=cloud`)).status).toBeLessThan(300);
    await says(chat, 'Really forget it.');
    await caughtUp();
    expect((await ann.get(`/api/v1/sessions/${id}`)).status).toBe(404);
    const purge = { session_id: id, user_id: ann.userId };
    expect((await (await admin(server)).post('/api/v1/admin/purge-deleted', purge)).status).toBe(200);
    await says(chat, 'The planigale again.');
    await caughtUp();
    expect(await found(ann, 'planigale')).toEqual([]);
  });
});

describe('a chat that has grown large', () => {
  const due = (): Promise<unknown> => server.app.get(PeriodicTasks).runNow('sessions.record-due');
  const large = async (): Promise<[TestChat, string]> => {
    const chat = await newChat();
    await says(chat, randomBytes(150_000).toString('base64'));
    return [chat, await recorded(chat)];
  };

  it('is recorded every so often, what was said meanwhile at once, and holds nobody up', async () => {
    const [chat, id] = await large();
    for (const n of [1, 2, 3]) await says(chat, `Pademelon number ${n}.`);
    await caughtUp();
    await due();
    expect(await versionsOf(id)).toHaveLength(1);
    moveClock([server], 5 * 60_000);
    await due();
    expect(await versionsOf(id)).toHaveLength(2);
    await untilFound(id, 'pademelon');
    await due();
    expect(await versionsOf(id)).toHaveLength(2);
  });

  it('is recorded when it is deleted while that waits, and gone then', async () => {
    const [chat, id] = await large();
    const chats = `/api/sessions/${chat.sandbox}/chats`;
    await ann.post(chats, {});
    await says(chat, 'The last numbat.');
    await caughtUp();
    expect((await ann.delete(chat.path)).status).toBe(200);
    expect((await ann.get(chat.path)).status).toBe(404);
    expect((await ann.get(chats)).body.chats).toHaveLength(1);
    const removed = async (): Promise<boolean> => {
      await server.app.get(PeriodicTasks).runNow('chats.remove-deleted');
      return (await sql(server, 'select 1 from chat where id = $1', [chat.id])).length === 0;
    };
    expect(await removed()).toBe(false);
    expect((await ann.post(chats, { id: chat.id })).status).toBe(409);
    await due();
    await untilFound(id, 'numbat');
    await eventually(removed);
    expect((await ann.post(chats, { id: chat.id })).status).toBe(200);
  });

  it('is recorded when it is deleted before anybody has looked', async () => {
    const chat = await newChat();
    await ann.post(`/api/sessions/${chat.sandbox}/chats`, {});
    await says(chat, 'A hasty honeyeater.');
    expect((await ann.delete(chat.path)).status).toBe(200);
    await eventually(async () => (await found(ann, 'honeyeater')).length === 1);
  });

  it('is recorded before its sandbox is cleared away', async () => {
    const [chat, id] = await large();
    await says(chat, 'The last bandicoot.');
    expect((await ann.delete(`/api/sessions/${chat.sandbox}`)).status).toBe(200);
    await caughtUp();
    await server.app.get(PeriodicTasks).runNow('sandboxes.reconcile');
    await due();
    await untilFound(id, 'bandicoot');
  });
});

describe('an agent session', () => {
  const say = async (session: string, message: string): Promise<void> => {
    const headers = { 'x-api-key': ann.key!, 'content-type': 'application/json' };
    const body = JSON.stringify({ message });
    await (await fetch(`${server.url}/v1/sessions/${session}/messages`, { method: 'POST', headers, body })).text();
  };
  const recordOf = async (session: string): Promise<string | null> =>
    (await ann.get(`/v1/sessions/${session}`)).body.captured_session_id;

  it('is recorded after each response, with its tools', async () => {
    const { id: session } = (await ann.post('/v1/sessions')).body;
    expect(await recordOf(session)).toBeNull();
    peer.next({ text: 'I look.', toolCalls: [{ name: 'exec', arguments: { command: 'echo bandicoot' } }] }, 'Done.');
    await say(session, 'Where is the cuscus?');
    const id = await eventually(() => recordOf(session));
    expect(await linesOf(id)).toMatchObject([
      { role: 'user', content: [{ type: 'text', text: 'Where is the cuscus?' }] },
      { role: 'assistant', content: [{ text: 'I look.' }, { type: 'tool_use', name: 'exec' }] },
      { role: 'tool', content: [{ type: 'tool_result', content: 'bandicoot\n[exit code 0]' }] },
      { role: 'assistant', content: [{ text: 'Done.' }] },
    ]);
    expect((await ann.get(`/api/v1/sessions/${id}`)).body).toMatchObject({
      original_session_id: session,
      title: 'Where is the cuscus?',
      message_count: 4,
    });
    await say(session, 'And the wombat?');
    await untilFound(id, 'wombat');
    expect(await versionsOf(id)).toHaveLength(2);
  });

  it('is recorded also when it is deleted at once', async () => {
    const { id: session } = (await ann.post('/v1/sessions')).body;
    await say(session, 'Remember the dibbler.');
    expect((await ann.delete(`/v1/sessions/${session}`)).status).toBeLessThan(300);
    await eventually(async () => (await found(ann, 'dibbler')).length === 1);
  });
});

describe('what the plan and the policy of an owner refuse', () => {
  it('is not recorded, and the chat goes on', async () => {
    const owner = await signUp(server);
    const [member, poor] = [await signUp(server), await signUp(server)];
    const org = await seedOrg(server, owner, 'enterprise');
    await seedMember(server, org, member);
    await owner.put('/api/v1/dlp/policy', { enabled: true, mode: 'block' });
    await sql(server, `update account set tier = 'free' where slug = $1`, [poor.slug]);
    const [strict, free] = [await newChat(actingFor(member, org)), await newChat(poor)];
    await says(strict, `The key is ${SECRET}.`);
    await says(free, 'Only talk.');
    await caughtUp();
    for (const { by, path } of [strict, free]) {
      expect((await by.get(path)).body).toMatchObject({ chat: { capturedSessionId: null }, messages: [{}] });
    }
    const clean = await newChat(actingFor(member, org));
    await says(clean, 'No key at all.');
    await recorded(clean);
  });
});
