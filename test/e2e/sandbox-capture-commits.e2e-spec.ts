import { jest } from '@jest/globals';
import { SandboxGit } from '../../libs/sandboxes/src/workbench/sandbox-git.js';
import { type Checkout, runIn, startCheckout } from '../support/checkouts.js';
import { type Client, createRepo, signUp, type TestAccount } from '../support/client.js';
import { EventStream } from '../support/event-stream.js';
import { modelSettings } from '../support/model-settings.js';
import { LlmPeer } from '../support/peers/llm.js';
import { eventually } from '../support/pinned-sessions.js';
import { onAbleMachines } from '../support/sandboxes.js';
import { found } from '../support/search.js';
import { startTestServer, type TestServer } from '../support/server.js';
import { answerIn, sendChat, userSays } from '../support/ui-stream.js';

const AS = 'git -c core.fsmonitor=false -c user.name=agent -c user.email=agent@test';

let peer: LlmPeer;
let server: TestServer;
let ann: TestAccount;

beforeAll(async () => {
  peer = await LlmPeer.start();
  const model = modelSettings(peer);
  server = await startTestServer({ ...model, PUBLIC_URL: 'https://roundhouse.test' });
  ann = await signUp(server);
});

afterAll(async () => {
  await server.close();
  await peer.stop();
});

interface Recorded {
  readonly git_remote: string | null;
  readonly git_branch: string | null;
  readonly git_commit: string | null;
  readonly git_commits: string[];
}

const runs = (command: string): void =>
  peer.next({ toolCalls: [{ name: 'exec', arguments: { command } }] }, 'It is done.');

/** The first chat of a session, or one more. */
async function chatOf({ id }: Checkout, isNew = false): Promise<string> {
  const path = `/api/sessions/${id}/chats`;
  if (isNew) return (await ann.post(path, {})).body.chat.id as string;
  return (await ann.get(path)).body.chats[0].id as string;
}

/** Has the agent run a command; answers as what the chat is recorded, once the answer is. */
async function says(checkout: Pick<Checkout, 'id'>, chat: string, word: string, command?: string): Promise<string> {
  if (command !== undefined) runs(command);
  const answer = await answerIn(await sendChat(ann, { session: checkout.id, id: chat }, [userSays(`${word}!`)]));
  expect(answer.parts.at(-1)).toMatchObject({ type: 'text' });
  return eventually(async () => (await found(ann, word))[0]);
}

const recordOf = async (id: string, by: Client = ann): Promise<Recorded> =>
  (await by.get(`/api/v1/sessions/${id}`)).body as Recorded;

const head = async (checkout: Checkout, name = 'HEAD'): Promise<string> =>
  (await checkout.run(`git rev-parse ${name}`)).trim();

const listed = async (query: string, by: Client = ann): Promise<string[]> =>
  ((await by.get(`/api/v1/sessions?${query}`)).body.sessions as { id: string }[]).map(({ id }) => id);

onAbleMachines('a recorded chat', () => {
  it('has the commits that were made in it, by which it is found', async () => {
    const checkout = await startCheckout(server, ann);
    await checkout.run(
      `git init -q -b main && git remote add origin https://ann:s3cret@github.com/Acme/Zoo.git && touch a && git add a &&
       git commit -qm theirs && git update-ref refs/remotes/origin/main HEAD && rm -r .git/logs`,
    );
    const theirs = await head(checkout);
    const chat = await chatOf(checkout);
    const id = await says(
      checkout,
      chat,
      'quokka',
      `git switch -qc fix/quokka && for n in 1 2; do ${AS} commit -q --allow-empty -m $n; done; ${AS} commit -q --amend --allow-empty -m 3`,
    );
    const [first, second] = [await head(checkout, 'HEAD~1'), await head(checkout)];
    const record = {
      git_remote: 'acme/zoo',
      git_branch: 'fix/quokka',
      git_commit: second,
      git_commits: [second, first],
    };
    expect(await recordOf(id)).toMatchObject(record);
    expect((await ann.get(`/api/v1/sessions/${id}/messages`)).status).toBe(200);
    await says(checkout, chat, 'numbat', `git switch -q main`);
    expect(await recordOf(id)).toMatchObject({ ...record, git_branch: 'main', git_commit: theirs });
    expect(await listed(`commit=${first}`)).toEqual([id]);
    expect(await listed(`commit=${second.slice(0, 8)}`)).toEqual([id]);
    expect((await ann.get(`/api/v1/sessions/search?q=quokka&commit=${first}`)).body.total).toBe(1);
    expect((await ann.get(`/api/v1/sessions/search?q=quokka&commit=${'0'.repeat(40)}`)).body.total).toBe(0);
    expect(await listed(`commit=${first}`, await signUp(server))).toEqual([]);
    for (const commit of ['', 'abc', 'main', `${first}00${first}`, '%25', 'A'.repeat(40)])
      expect(await ann.get(`/api/v1/sessions?commit=${commit}`)).toMatchObject({ status: 422 });
  });

  it('says where its checkout stands before anything was done in it', async () => {
    await createRepo(ann, 'zoo', {});
    const change = { branch: 'main', message: 'Begin', changes: [{ path: 'a', content: 'a' }] };
    const { sha } = (await ann.post('/v1/repos/zoo/commits', change as never)).body as { sha: string };
    const cloneUrl = `https://roundhouse.test/${ann.slug}/zoo.git`;
    const { session, chat } = (await ann.post('/api/sessions', { cloneUrl })).body;
    expect((await ann.post('/api/sandbox', { sessionId: session.id })).status).toBe(200);
    const checkout = { id: session.id as string };
    const id = await says(checkout, chat.id as string, 'bettong');
    const record = { git_remote: `${ann.slug}/zoo`, git_branch: 'main', git_commit: sha, git_commits: [] };
    expect(await recordOf(id)).toMatchObject(record);
    expect(await listed(`commit=${sha}`)).toEqual([id]);
    await says(checkout, chat.id as string, 'cuscus', 'git status');
    expect(await recordOf(id)).toMatchObject(record);
  });

  it('leaves commits to the chat in which they were made', async () => {
    const checkout = await startCheckout(server, ann);
    const [one, other] = [await chatOf(checkout), await chatOf(checkout, true)];
    await says(checkout, one, 'bilby', `git init -q -b main && ${AS} commit -q --allow-empty -m one`);
    const first = await head(checkout);
    const id = await says(checkout, other, 'potoroo', `${AS} commit -q --allow-empty -m two`);
    const second = await head(checkout);
    expect(await recordOf(id)).toMatchObject({ git_commit: second, git_commits: [second] });
    expect(await listed(`commit=${first}`)).toHaveLength(1);
  });

  it('is looked at once for an answer that ran something, and not for one that did not', async () => {
    const look = jest.spyOn(server.app.get(SandboxGit, { strict: false }), 'parts');
    const checkout = await startCheckout(server, ann);
    const chat = await chatOf(checkout);
    await says(checkout, chat, 'woylie');
    expect(look).not.toHaveBeenCalled();
    peer.next({ toolCalls: [{ name: 'exec', arguments: { command: 'true' } }] });
    await says(checkout, chat, 'dunnart', 'true');
    expect(look).toHaveBeenCalledTimes(1);
    look.mockRestore();
  });

  it('goes on whatever the repository is made to do', async () => {
    const checkout = await startCheckout(server, ann);
    const chat = await chatOf(checkout);
    await checkout.run(
      `git init -q -b main && git commit -q --allow-empty -m x && printf '#!/bin/sh\\necho disturbed; touch ~/ran; sleep 60\\n' > ~/bad &&
       chmod +x ~/bad && for key in core.fsmonitor gpg.program core.pager core.sshCommand diff.external; do git config $key ~/bad; done
       git config log.showSignature true && git config i18n.logOutputEncoding utf-16 && git config pager.log true`,
    );
    const id = await says(
      checkout,
      chat,
      'mulgara',
      `${AS} commit -q --allow-empty -m mine; git config core.bare true`,
    );
    expect(await checkout.run('ls ~')).not.toContain('ran');
    await says(checkout, chat, 'kowari', 'echo garbage > .git/HEAD');
    await says(checkout, chat, 'antechinus', 'rm -rf .git/* .git; echo gone');
    await says(checkout, chat, 'phascogale', 'cd ~ && rm -rf work && touch work');
    expect((await recordOf(id)).git_remote).toBeNull();
  });
});

onAbleMachines('a recorded agent session', () => {
  const turn = async (session: string, message: string, command: string): Promise<void> => {
    runs(command);
    const stream = await EventStream.open(ann, `/v1/sessions/${session}/messages`, { body: { message } });
    expect((await stream.all()).at(-1)?.event).toBe('message.completed');
  };
  const recorded = async (session: string): Promise<Recorded> => {
    const id = await eventually(
      async () => (await ann.get(`/v1/sessions/${session}`)).body.captured_session_id as string | null,
    );
    return recordOf(id);
  };
  const create = async (body: object): Promise<string> =>
    (await ann.post('/v1/sessions', body as Record<string, never>)).body.id as string;

  it('has the commits of its repository, where there is one', async () => {
    const scope = { file_access: { read: [], write: ['projects/lex'] } };
    const [plain, one, other] = [await create({}), await create(scope), await create(scope)];
    await turn(plain, 'Nothing', 'true');
    expect(await recorded(plain)).toMatchObject({
      git_remote: null,
      git_branch: null,
      git_commit: null,
      git_commits: [],
    });
    const commit = `cd projects/lex && git init -q -b main && ${AS} commit -q --allow-empty -m`;
    await turn(one, 'One', `${commit} one`);
    const first = (await runIn(server, one, 'git -C /opt/sandbox/workspace/projects/lex rev-parse HEAD')).trim();
    expect(await recorded(one)).toMatchObject({ git_branch: 'main', git_commit: first, git_commits: [first] });
    await turn(other, 'Two', `${commit} two`);
    const second = (await runIn(server, one, 'git -C /opt/sandbox/workspace/projects/lex rev-parse HEAD')).trim();
    expect(await recorded(other)).toMatchObject({ git_commit: second, git_commits: [second] });
  });
});
