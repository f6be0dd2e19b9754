import {
  type Actor,
  forget,
  jsonOf,
  newContent,
  newSandbox,
  remember,
  type StormSandbox,
  type StormWorld,
} from './storm-world.js';
import type { Asked, Heard } from './watched-requests.js';

export type Action = (world: StormWorld, actor: Actor, sandbox: StormSandbox) => Promise<void>;

const EXIT = ['exit'];
const ENDS = ['message.completed', 'message.cancelled', 'message.error'];
const SCRIPTS = [
  'true',
  'echo out; echo err >&2; exit 7',
  'for i in 1 2 3 4 5 6; do echo $i; sleep 0.05; done',
  'head -c 300000 /dev/zero | tr "\\0" x',
  'sleep 30 & sleep 0.2; exit 0',
  'trap "" TERM; sleep 2',
  'mkdir -p made; date > made/$$; ls made | wc -l',
  'setsid sleep 20 & (sleep 15 &) ; kill -9 $$',
] as const;
/** Of each command: whatever nobody ends, ends by itself in time for those who wait. */
const TIMEOUT_SECONDS = 6;

const at = ({ id }: StormSandbox, rest = ''): string => `/v1/sessions/${id}${rest}`;

/** Now and then, a time after which a client goes. */
export function patience({ dice }: Actor, share = 0.25): Pick<Asked, 'leavesAfter'> {
  return dice.chance(share) ? { leavesAfter: dice.between(0, dice.chance(0.5) ? 15 : 300) } : {};
}

export async function createAgentSession(world: StormWorld, { tenant, dice }: Actor): Promise<StormSandbox | null> {
  const heard = await world.requests.send(tenant.client, 'POST', '/v1/sessions', {
    body: { persistent: dice.chance(0.5) },
  });
  return heard?.status === 201 ? newSandbox(world, tenant, 'agent', jsonOf(heard)['id'] as string) : null;
}

const exec: Action = async (world, actor, sandbox) => {
  const { dice, tenant } = actor;
  const argv = dice.chance(0.05) ? ['no-such-program'] : ['sh', '-c', dice.pick(SCRIPTS)];
  const headers: Record<string, string> = dice.chance(0.3) ? { accept: 'application/json' } : {};
  const body = { argv, timeout: TIMEOUT_SECONDS };
  const asked = { body, headers, ...patience(actor) };
  const heard = await world.requests.send(tenant.client, 'POST', at(sandbox, '/exec'), asked);
  heardExecution(world, sandbox, heard, 0);
};

/** In the background, held input or not, and perhaps cancelled in the instant of its start. */
const background: Action = async (world, actor, sandbox) => {
  const { dice, tenant } = actor;
  const script = dice.chance(0.5) ? 'cat; echo over' : dice.pick(SCRIPTS);
  const body = {
    argv: ['sh', '-c', script],
    timeout: TIMEOUT_SECONDS,
    background: true,
    keep_stdin_open: dice.chance(0.5),
  };
  const heard = await world.requests.send(tenant.client, 'POST', at(sandbox, '/exec'), { body });
  if (heard?.status !== 202) return;
  const id = jsonOf(heard)['id'] as string;
  remember(sandbox.executions, id);
  if (dice.chance(0.5)) await world.requests.send(tenant.client, 'POST', at(sandbox, `/exec/${id}/cancel`));
};

function heardExecution(world: StormWorld, sandbox: StormSandbox, heard: Heard | null, after: number): void {
  const id = heard?.headers.get('x-execution-id');
  if (heard?.status !== 200 || !id) return;
  remember(sandbox.executions, id);
  if (heard.headers.get('content-type')?.includes('event-stream')) {
    world.logs.take(id, heard, after, EXIT);
  } else if (!heard.isCut) {
    const { status, exit } = jsonOf(heard);
    if (status === 'running' || !exit) throw world.requests.failure(`${id} is answered while it runs`);
  }
}

const follow: Action = async (world, actor, sandbox) => {
  const [id, after] = known(world, actor, sandbox.executions, 0);
  if (id === null) return exec(world, actor, sandbox);
  const asked = { headers: { 'last-event-id': String(after) }, ...patience(actor) };
  const heard = await world.requests.send(actor.tenant.client, 'GET', at(sandbox, `/exec/${id}/events`), asked);
  heardExecution(world, sandbox, heard, after);
};

/** One of the ids, and an event to go on after; the beginning where nobody has seen any. */
function known({ logs }: StormWorld, { dice }: Actor, ids: readonly string[], first: number): [string | null, number] {
  if (ids.length === 0) return [null, first];
  const id = dice.chance(0.6) ? ids.at(-1)! : dice.pick(ids);
  return [id, dice.chance(0.5) ? (logs.seen(id, dice) ?? first) : first];
}

const poke: Action = async (world, actor, sandbox) => {
  const { dice, tenant } = actor;
  const [id] = known(world, actor, sandbox.executions, 0);
  if (id === null) return background(world, actor, sandbox);
  const [method, rest, asked] = dice.pick<[string, string, Asked]>([
    ['POST', '/stdin', { body: Buffer.alloc(dice.between(1, 200_000), 'x\n'), ...patience(actor, 0.5) }],
    ['POST', '/stdin?end=true', { body: Buffer.from('last\n'), pausesFor: dice.between(0, 50), ...patience(actor) }],
    ['POST', '/signal', { body: { signal: dice.pick(['SIGTERM', 'SIGUSR1', 'SIGSTOP', 'SIGCONT', 'SIGKILL']) } }],
    ['POST', '/cancel', {}],
    ['POST', '/cancel', {}],
    ['GET', '', {}],
  ]);
  await world.requests.send(tenant.client, method, at(sandbox, `/exec/${id}${rest}`), asked);
};

const look: Action = async ({ requests }, { dice, tenant }, sandbox) => {
  const path = dice.pick(['', '/exec?limit=5', '/files?path=', '/files?path=storm']);
  const bulk = dice.chance(0.3) ? ['/v1/sessions', '/v1/usage'] : [at(sandbox, path)];
  for (const one of bulk) await requests.send(tenant.client, 'GET', one);
};

const put: Action = async (world, actor, sandbox) => {
  const { dice, files, tenant } = actor;
  const [path, content] = [files.pick(dice), newContent(dice)];
  const pause = dice.chance(0.4) ? { pausesFor: dice.between(0, 120) } : {};
  files.doubt(path, content);
  const asked = { body: Buffer.from(content), ...pause, ...patience(actor, 0.3) };
  const heard = await world.requests.send(tenant.client, 'PUT', at(sandbox, `/files/${path}`), asked);
  if (heard?.status === 201) files.settle(path, content);
};

const get: Action = async (world, actor, sandbox) => {
  const path = actor.files.pick(actor.dice);
  const heard = await world.requests.send(
    actor.tenant.client,
    'GET',
    at(sandbox, `/files/${path}`),
    patience(actor, 0.2),
  );
  if (heard && !heard.isCut) assertFile(world, actor, path, heard);
};

/** That of a workspace as one of its sessions shows it; a session that is gone shows nothing. */
export function assertFile({ requests }: StormWorld, { files }: Actor, path: string, heard: Heard): void {
  const isGone = heard.status === 404 && heard.bytes.toString().includes('Session not found');
  if (isGone) return;
  const content = heard.status === 200 ? heard.bytes.toString() : null;
  if (files.mayHold(path).has(content)) return;
  const allowed = [...files.mayHold(path)].map((one) => one?.slice(0, 24) ?? 'nothing');
  throw requests.failure(
    `${path} is ${heard.status} ${content?.length} ${content?.slice(0, 48)}, not ${allowed.join(' or ')}`,
  );
}

const remove: Action = async ({ requests }, { dice, files, tenant }, sandbox) => {
  const path = files.pick(dice);
  const heard = await requests.send(tenant.client, 'DELETE', at(sandbox, `/files/${path}`));
  if (heard?.status === 204) files.settle(path, null);
  else files.doubt(path, null);
};

const message: Action = async (world, actor, sandbox) => {
  const asked = { body: { message: `Do something ${actor.dice.between(1, 999)}` }, ...patience(actor, 0.4) };
  const heard = await world.requests.send(actor.tenant.client, 'POST', at(sandbox, '/messages'), asked);
  heardResponse(world, sandbox, heard, -1);
};

function heardResponse(world: StormWorld, sandbox: StormSandbox, heard: Heard | null, after: number): void {
  const id = heard?.headers.get('x-response-id');
  if (heard?.status !== 200 || !id) return;
  remember(sandbox.responses, id);
  world.logs.take(id, heard, after, ENDS);
}

const resumeResponse: Action = async (world, actor, sandbox) => {
  const [id, after] = known(world, actor, sandbox.responses, -1);
  if (id === null) return message(world, actor, sandbox);
  const headers: Record<string, string> = after < 0 ? {} : { 'last-event-id': String(after) };
  const asked = { headers, ...patience(actor) };
  const heard = await world.requests.send(actor.tenant.client, 'GET', at(sandbox, `/responses/${id}/events`), asked);
  if (heard?.status === 200) world.logs.take(id, heard, after, ENDS);
};

const cancelResponse: Action = async (world, actor, sandbox) => {
  const [id] = known(world, actor, sandbox.responses, -1);
  if (id === null) return message(world, actor, sandbox);
  await world.requests.send(actor.tenant.client, 'POST', at(sandbox, `/responses/${id}/cancel`));
};

const change: Action = async ({ requests }, { dice, tenant }, sandbox) => {
  const body = { metadata: { step: dice.between(1, 9), old: null } };
  await requests.send(tenant.client, 'PATCH', at(sandbox), { body });
};

const destroy: Action = async ({ requests }, { dice, tenant }, sandbox) => {
  if (dice.chance(0.2)) {
    for (const one of tenant.sandboxes) if (one.surface === 'agent') one.isLeaving = true;
    const heard = await requests.send(tenant.client, 'DELETE', '/v1/sessions?older_than=1s');
    if (heard?.status === 200) return;
  }
  sandbox.isLeaving = true;
  forget(sandbox);
  await requests.send(tenant.client, 'DELETE', at(sandbox));
};

/** Everything runs, and then nothing has anywhere to. */
const destroyInTheMiddle: Action = async (world, actor, sandbox) => {
  const { requests } = world;
  const going = [exec, background, follow, put, message, poke].map((action) => action(world, actor, sandbox));
  await new Promise((resolve) => setTimeout(resolve, actor.dice.between(0, 250)));
  sandbox.isLeaving = true;
  forget(sandbox);
  await Promise.all([requests.send(actor.tenant.client, 'DELETE', at(sandbox)), ...going]);
};

export const AGENT_ACTIONS: readonly (readonly [number, Action])[] = [
  [10, exec],
  [10, background],
  [8, follow],
  [14, poke],
  [4, look],
  [8, put],
  [6, get],
  [3, remove],
  [8, message],
  [5, resumeResponse],
  [5, cancelResponse],
  [2, change],
  [2, destroy],
  [2, destroyInTheMiddle],
];
