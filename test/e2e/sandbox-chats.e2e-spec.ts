import { Database } from '../../libs/platform/src/index.js';
import { signUp, type TestAccount } from '../support/client.js';
import { startTestServer, type TestServer } from '../support/server.js';

let server: TestServer;
let alice: TestAccount;
let bob: TestAccount;

beforeAll(async () => {
  server = await startTestServer();
  [alice, bob] = await Promise.all([signUp(server), signUp(server)]);
});

afterAll(async () => {
  await server.close();
});

/** Paths of a new session's chats and of its first one. */
async function newSession(client: TestAccount): Promise<{ chats: string; chat: string; id: string; chatId: string }> {
  const { session, chat } = (await client.post('/api/sessions')).body;
  const chats = `/api/sessions/${session.id}/chats`;
  return { chats, chat: `${chats}/${chat.id}`, id: session.id as string, chatId: chat.id as string };
}

const reply = (id: string, text = 'Done.'): { message: Record<string, unknown> } => ({
  message: { id, role: 'assistant', parts: [{ type: 'text', text }] },
});

/** A message of the user, as a turn would store it. */
async function say(chatId: string, id: string): Promise<void> {
  await server.app.get(Database).query(
    `insert into chat_message (account_id, id, chat_id, role, message, created_at)
     select account_id, $2, id, 'user', jsonb_build_object('id', $2::text, 'role', 'user'), clock_timestamp()
       from chat where id = $1`,
    [chatId, id],
  );
}

describe('chats', () => {
  it('are added under an id of the client’s or ours, once', async () => {
    const { chats, chatId } = await newSession(alice);
    const own = await alice.post(chats, { id: 'my-chat_1' });
    expect(own).toMatchObject({ status: 200, body: { chat: { id: 'my-chat_1', title: 'New chat' } } });
    expect((await alice.post(chats, { id: 'my-chat_1' })).body).toEqual(own.body);
    const lenient = await alice.send('POST', chats, Buffer.from('{'));
    expect(lenient.body.chat.id).toMatch(/^[A-Za-z0-9_-]{21}$/);
    const { body } = await alice.get(chats);
    expect(body.chats.map(({ id }: { id: string }) => id)).toEqual([chatId, 'my-chat_1', lenient.body.chat.id]);
    expect(body).toMatchObject({ defaultModelId: null });
    expect(body.chats[0]).toMatchObject({ hasUnread: false, isStreaming: false });
  });

  it('may have the same id in two accounts, not in two sessions of one', async () => {
    const [mine, other, theirs] = [await newSession(alice), await newSession(alice), await newSession(bob)];
    expect((await alice.post(mine.chats, { id: 'shared-id' })).status).toBe(200);
    expect(await alice.post(other.chats, { id: 'shared-id' })).toMatchObject({
      status: 409,
      body: { error: 'Chat ID conflict' },
    });
    expect((await bob.post(theirs.chats, { id: 'shared-id' })).status).toBe(200);
  });

  it.each([[''], ['a b'], ['a/b'], [7], [null], ['x'.repeat(101)], ['a\0']])('cannot be called %j', async (id) => {
    const { chats } = await newSession(alice);
    expect(await alice.post(chats, { id })).toMatchObject({ status: 400, body: { error: 'Invalid chat id' } });
  });

  it('are listed in pages, when there are many', async () => {
    const { chats, chatId } = await newSession(alice);
    for (const id of ['page-1', 'page-2', 'page-3']) await alice.post(chats, { id });
    const idsOf = ({ body }: { body: { chats: { id: string }[] } }): string[] => body.chats.map(({ id }) => id);
    const first = await alice.get(`${chats}?limit=3`);
    expect(idsOf(first)).toEqual([chatId, 'page-1', 'page-2']);
    const rest = await alice.get(`${chats}?limit=3&cursor=${first.body.nextCursor}`);
    expect(idsOf(rest)).toEqual(['page-3']);
    expect(rest.body).toMatchObject({ nextCursor: null });
    for (const query of ['limit=0', 'limit=501', 'limit=x', 'cursor=AAAA', 'cursor=a&cursor=b'])
      expect(await alice.get(`${chats}?${query}`)).toMatchObject({ status: 400, body: { status: 'error' } });
  });

  it('change title and model, and nothing else', async () => {
    const { chat } = await newSession(alice);
    expect((await alice.patch(chat, { title: ' Plan ', modelId: 'm' })).body.chat).toMatchObject({
      title: 'Plan',
      modelId: 'm',
    });
    const refusals: [Record<string, unknown> | undefined, string][] = [
      [{}, 'At least one field is required'],
      [undefined, 'At least one field is required'],
      [{ title: '  ' }, 'title cannot be empty'],
      [{ modelId: '' }, 'modelId cannot be empty'],
      [{ title: 5 }, 'title must be a string'],
      [{ title: 'x', color: 'red' }, 'Unknown field: color'],
    ];
    for (const [body, error] of refusals) {
      expect(await alice.patch(chat, body)).toMatchObject({ status: 400, body: { status: 'error', error } });
    }
    expect(await alice.send('PATCH', chat, Buffer.from('{'))).toMatchObject({ body: { error: 'Invalid JSON body' } });
  });

  it('never all go, also when two are deleted at once', async () => {
    const { chats, chat } = await newSession(alice);
    expect(await alice.delete(chat)).toMatchObject({
      status: 400,
      body: { error: 'Cannot delete the only chat in a session' },
    });
    for (let round = 0; round < 5; round += 1) {
      await alice.post(chats, { id: `round-${round}` });
      const both = (await alice.get(chats)).body.chats.slice(-2) as { id: string }[];
      const answers = await Promise.all(both.map(({ id }) => alice.delete(`${chats}/${id}`)));
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 400]);
    }
  });

  it('are not found in another session, and are their owner’s', async () => {
    const [one, two] = [await newSession(alice), await newSession(alice)];
    expect(await alice.get(`${one.chats}/${two.chatId}`)).toMatchObject({
      status: 404,
      body: { error: 'Chat not found' },
    });
    for (const [method, path] of [
      ['GET', one.chats],
      ['POST', one.chats],
      ['GET', one.chat],
      ['PATCH', one.chat],
      ['DELETE', one.chat],
      ['POST', `${one.chat}/read`],
      ['POST', `${one.chat}/messages`],
      ['DELETE', `${one.chat}/messages/m`],
    ] as const) {
      const body = method === 'PATCH' ? { title: 'x' } : path.endsWith('messages') ? reply('m') : undefined;
      expect(await bob.send(method, path, body)).toMatchObject({ status: 403, body: { error: 'Forbidden' } });
    }
  });
});

describe('messages', () => {
  it('of the assistant are stored, replaced, and make the chat unread until it is read', async () => {
    const { chats, chat, id } = await newSession(alice);
    expect((await alice.post(`${chat}/messages`, reply('a1'))).body).toEqual({ success: true, status: 'inserted' });
    expect((await alice.post(`${chat}/messages`, reply('a1', 'Better.'))).body).toMatchObject({ status: 'updated' });
    expect((await alice.get(chat)).body).toMatchObject({
      isStreaming: false,
      messages: [{ id: 'a1', role: 'assistant', parts: [{ type: 'text', text: 'Better.' }] }],
    });
    const isUnread = async (): Promise<unknown> => (await alice.get(chats)).body.chats[0].hasUnread;
    expect(await isUnread()).toBe(true);
    expect(await alice.post(`${chat}/read`)).toMatchObject({ status: 200, body: { success: true } });
    expect(await isUnread()).toBe(false);
    await alice.post(`${chat}/messages`, reply('a2'));
    expect(await isUnread()).toBe(true);
    const listed = (await alice.get('/api/sessions')).body.sessions.find((row: { id: string }) => row.id === id);
    expect(listed).toMatchObject({ hasUnread: true });
  });

  it.each([
    [undefined],
    [{}],
    [{ message: 'hi' }],
    [{ message: { id: 'x', role: 'user', parts: [] } }],
    [{ message: { role: 'assistant', parts: [] } }],
    [{ message: { id: 'x', role: 'assistant' } }],
    [{ message: { id: 'x', role: 'assistant', parts: ['\0'] } }],
    [{ message: { id: 'a b', role: 'assistant', parts: [] } }],
  ])('that are none are refused: %j', async (body) => {
    const { chat } = await newSession(alice);
    expect(await alice.post(`${chat}/messages`, body as Record<string, unknown>)).toMatchObject({
      status: 400,
      body: { error: 'A valid assistant message is required' },
    });
  });

  it('come newest first in pages, each in order, and never more than fits', async () => {
    const { chat } = await newSession(alice);
    const large = 'x'.repeat(1_000_000);
    for (let n = 1; n <= 12; n += 1) await alice.post(`${chat}/messages`, reply(`p${n}`, n > 2 ? large : 'small'));
    const read = async (query: string): Promise<[string[], string | null]> => {
      const { body } = await alice.get(`${chat}?${query}`);
      return [body.messages.map(({ id }: { id: string }) => id), body.nextCursor];
    };
    const [newest, cursor] = await read('limit=2');
    expect(newest).toEqual(['p11', 'p12']);
    const [next] = await read(`limit=3&cursor=${cursor}`);
    expect(next).toEqual(['p8', 'p9', 'p10']);
    const [fitting, before] = await read('');
    expect(fitting).toEqual(['p4', 'p5', 'p6', 'p7', 'p8', 'p9', 'p10', 'p11', 'p12']);
    expect(await read(`cursor=${before}`)).toEqual([['p1', 'p2', 'p3'], null]);
  });

  it('keep to their chat and role', async () => {
    const [one, two] = [await newSession(alice), await newSession(alice)];
    await alice.post(`${one.chat}/messages`, reply('unique'));
    await say(two.chatId, 'said');
    for (const id of ['unique', 'said']) {
      expect(await alice.post(`${two.chat}/messages`, reply(id))).toMatchObject({
        status: 409,
        body: { error: 'Message ID already belongs to a different chat or role' },
      });
    }
  });

  it('are cut off from one of the user’s on', async () => {
    const { chat, chatId } = await newSession(alice);
    for (const turn of [1, 2]) {
      await say(chatId, `cut-u${turn}`);
      await alice.post(`${chat}/messages`, reply(`cut-a${turn}`));
    }
    expect(await alice.delete(`${chat}/messages/cut-a1`)).toMatchObject({
      status: 400,
      body: { error: 'Only user messages can be deleted' },
    });
    expect((await alice.delete(`${chat}/messages/nope`)).body).toMatchObject({ error: 'Message not found' });
    // A run that nobody knows any more is in nobody's way.
    await server.app.get(Database).query(`update chat set active_stream_id = 'run' where id = $1`, [chatId]);
    expect((await alice.delete(`${chat}/messages/cut-u2`)).body).toEqual({
      success: true,
      deletedMessageIds: ['cut-u2', 'cut-a2'],
    });
    const { body } = await alice.get(chat);
    expect(body.chat.activeStreamId).toBeNull();
    expect(body.messages.map(({ id }: { id: string }) => id)).toEqual(['cut-u1', 'cut-a1']);
  });
});

describe('the chats of an account', () => {
  it('are those somebody wrote in, outside the archive', async () => {
    const carol = await signUp(server);
    const [spoken, , archived] = [await newSession(carol), await newSession(carol), await newSession(carol)];
    for (const { chat, chatId } of [spoken, archived]) await carol.post(`${chat}/messages`, reply(`m-${chatId}`));
    await carol.patch(`/api/sessions/${archived.id}`, { status: 'archived' });
    const { body } = await carol.get('/api/chats');
    expect(body).toMatchObject({
      status: 'success',
      nextCursor: null,
      chats: [{ id: spoken.chatId, sessionId: spoken.id }],
    });
    expect((await carol.get(`/api/chats?account_id=${body.chats[0].accountId}`)).body).toEqual(body);
    expect(await bob.get(`/api/chats?account_id=${body.chats[0].accountId}`)).toMatchObject({
      status: 403,
      body: { error: 'Access denied to specified account_id' },
    });
    expect((await bob.get('/api/chats?artist_account_id=x')).status).toBe(400);
  });
});
