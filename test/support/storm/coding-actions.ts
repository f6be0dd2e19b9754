import { type Action, patience } from './agent-actions.js';
import { type Actor, forget, jsonOf, newSandbox, remember, type StormSandbox, type StormWorld } from './storm-world.js';
import type { Asked, Heard } from './watched-requests.js';

const at = ({ id }: StormSandbox, rest = ''): string => `/api/sessions/${id}${rest}`;
const userSays = ({ dice }: Actor): object => ({
  id: `m-${dice.between(1, 1e9)}`,
  role: 'user',
  parts: [{ type: 'text', text: 'Do something' }],
});

export async function createCodingSession(world: StormWorld, actor: Actor): Promise<StormSandbox | null> {
  const { requests } = world;
  const { client } = actor.tenant;
  if (actor.dice.chance(0.3)) return createAccountSandbox(world, actor);
  const heard = await requests.send(client, 'POST', '/api/sessions');
  if (heard?.status !== 200) return null;
  const { session, chat } = jsonOf(heard) as { session: { id: string }; chat: { id: string } };
  const made = newSandbox(world, actor.tenant, 'coding', session.id);
  remember(made.chats, chat.id);
  return made;
}

/** With a command, or by a run that brings it up itself. */
async function createAccountSandbox(world: StormWorld, actor: Actor): Promise<StormSandbox | null> {
  const { requests } = world;
  const { client } = actor.tenant;
  if (actor.dice.chance(0.5)) {
    const heard = await requests.send(client, 'POST', '/api/chat/runs', { body: { prompt: 'Begin' } });
    if (heard?.status !== 202) return null;
    const { sessionId, chatId, runId } = jsonOf(heard) as Record<string, string>;
    const made = newSandbox(world, actor.tenant, 'coding', sessionId!);
    remember(made.chats, chatId);
    await requests.send(client, 'GET', `/api/chat/runs/${runId}`);
    return made;
  }
  const body = { command: 'sleep 0.3; echo made', background: actor.dice.chance(0.5), timeoutMs: 5_000 };
  const heard = await requests.send(client, 'POST', '/api/sandboxes', { body });
  if (heard?.status !== 200) return null;
  const { sandboxes, execution } = jsonOf(heard) as { sandboxes: { sandboxId: string }[]; execution: { id: string } };
  const made = newSandbox(world, actor.tenant, 'coding', sandboxes[0]!.sandboxId);
  remember(made.executions, execution.id);
  return made;
}

/** Its surface names the session in the body. */
async function life(
  { requests }: StormWorld,
  { dice, tenant }: Actor,
  { id }: StormSandbox,
  [method, verb]: readonly [string, string],
  more: object = {},
): Promise<Heard | null> {
  const headers: Record<string, string> = dice.chance(0.15) ? { 'if-match': `"${dice.between(0, 30)}"` } : {};
  return requests.send(tenant.client, method, `/api/sandbox${verb}`, { body: { sessionId: id, ...more }, headers });
}

const bringUp: Action = async (world, actor, sandbox) => void (await life(world, actor, sandbox, ['POST', '']));

const VERBS = [
  ['DELETE', ''],
  ['POST', '/extend'],
  ['POST', '/activity'],
  ['PUT', '/snapshot'],
] as const;

const move: Action = async (world, actor, sandbox) => {
  const { dice, tenant } = actor;
  if (dice.chance(0.7)) return void (await life(world, actor, sandbox, dice.pick(VERBS)));
  const path = `/api/sandbox/${dice.pick(['status', 'reconnect'])}?sessionId=${sandbox.id}`;
  await world.requests.send(tenant.client, 'GET', path);
};

const snapshot: Action = async (world, actor, sandbox) => {
  const { dice } = actor;
  if (sandbox.snapshotId !== null && dice.chance(0.5))
    return void (await life(world, actor, sandbox, ['PUT', '/snapshot'], { snapshotId: sandbox.snapshotId }));
  const heard = await life(world, actor, sandbox, ['POST', '/snapshot']);
  if (heard?.status === 200) sandbox.snapshotId = jsonOf(heard)['snapshotId'] as string | null;
};

const edit: Action = async ({ requests }, { dice, tenant }, sandbox) => {
  const status = dice.pick(['archived', 'running', 'running', 'completed']);
  const headers: Record<string, string> = dice.chance(0.3) ? { 'if-match': `"${dice.between(0, 30)}"` } : {};
  await requests.send(tenant.client, 'PATCH', at(sandbox), { body: { status, title: 'Stormy' }, headers });
};

const CHECKOUT = ['', '/files', '/diff', '/diff/cached', '/skills', '/chats', '/files/content?path=a.txt'];

const look: Action = async ({ requests }, actor, sandbox) => {
  const { dice, tenant } = actor;
  const path = dice.chance(0.7)
    ? at(sandbox, dice.pick(CHECKOUT))
    : dice.pick(['/api/sessions', '/api/chats', '/api/sandboxes']);
  await requests.send(tenant.client, 'GET', path, patience(actor, 0.1));
};

const work: Action = async ({ requests }, actor, sandbox) => {
  const { dice, tenant } = actor;
  const files = [{ path: 'a.txt', content: 'x'.repeat(dice.between(1, 50_000)) }];
  const [method, path, asked] = dice.pick<[string, string, Asked]>([
    ['POST', '/api/git-status', { body: { sessionId: sandbox.id } }],
    ['POST', at(sandbox, '/discard-uncommitted'), { body: {} }],
    ['POST', `/api/sandboxes/files?sandbox_id=${sandbox.id}`, { body: { files }, ...patience(actor) }],
    ['GET', `/api/sandboxes/file?sandbox_id=${sandbox.id}&path=a.txt`, {}],
    [
      'GET',
      `/api/sandboxes/executions/${sandbox.executions.at(-1) ?? 'exec_0123456789abcdef01234567'}`,
      patience(actor),
    ],
  ]);
  await requests.send(tenant.client, method, path, asked);
};

const answer: Action = async (world, actor, sandbox) => {
  const { dice, tenant } = actor;
  const chatId = await aChat(world, actor, sandbox);
  if (chatId === null) return;
  const body = { sessionId: sandbox.id, chatId, messages: [userSays(actor)] };
  const heard = await world.requests.send(tenant.client, 'POST', '/api/chat', { body, ...patience(actor, 0.4) });
  assertStream(world, heard);
  if (dice.chance(0.3)) await world.requests.send(tenant.client, 'POST', `/api/chat/${chatId}/stop`);
};

async function aChat({ requests }: StormWorld, { dice, tenant }: Actor, sandbox: StormSandbox): Promise<string | null> {
  if (sandbox.chats.length > 0 && dice.chance(0.9)) return dice.pick(sandbox.chats);
  const heard = await requests.send(tenant.client, 'POST', at(sandbox, '/chats'));
  if (heard?.status !== 200) return null;
  const { id } = jsonOf(heard)['chat'] as { id: string };
  remember(sandbox.chats, id);
  return id;
}

/** What began and was read to its end has one. */
function assertStream({ requests }: StormWorld, heard: Heard | null): void {
  if (heard?.status !== 200 || heard.isCut || !heard.headers.get('content-type')?.includes('event-stream')) return;
  const text = heard.bytes.toString();
  if (!text.endsWith('data: [DONE]\n\n')) throw requests.failure(`An answer ended with ${text.slice(-500)}`);
}

const chat: Action = async (world, actor, sandbox) => {
  const { dice, tenant } = actor;
  const id = await aChat(world, actor, sandbox);
  if (id === null) return;
  const path = at(sandbox, `/chats/${id}`);
  const [method, to, asked] = dice.pick<[string, string, Asked]>([
    ['GET', `/api/chat/${id}/stream?startIndex=${dice.between(0, 5)}`, patience(actor)],
    ['GET', `/api/chat/${id}/stream`, patience(actor)],
    ['POST', `/api/chat/${id}/stop`, {}],
    ['GET', path, {}],
    ['PATCH', path, { body: { title: 'Stormy' } }],
    ['POST', `${path}/read`, {}],
    ['DELETE', path, {}],
  ]);
  const heard = await world.requests.send(tenant.client, method, to, asked);
  if (method === 'GET') assertStream(world, heard);
  if (method === 'DELETE' && sandbox.chats.includes(id)) sandbox.chats.splice(sandbox.chats.indexOf(id), 1);
};

const destroy: Action = async ({ requests }, { tenant }, sandbox) => {
  sandbox.isLeaving = true;
  forget(sandbox);
  await requests.send(tenant.client, 'DELETE', at(sandbox));
};

const destroyInTheMiddle: Action = async (world, actor, sandbox) => {
  const going = [bringUp, answer, snapshot, look, work, chat].map((action) => action(world, actor, sandbox));
  await new Promise((resolve) => setTimeout(resolve, actor.dice.between(0, 250)));
  await Promise.all([destroy(world, actor, sandbox), ...going]);
};

export const CODING_ACTIONS: readonly (readonly [number, Action])[] = [
  [12, bringUp],
  [10, move],
  [6, snapshot],
  [6, edit],
  [6, look],
  [8, work],
  [14, answer],
  [8, chat],
  [2, destroy],
  [2, destroyInTheMiddle],
];
