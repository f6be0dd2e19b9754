import { Random } from '../../crash/random.js';
import type { LlmReply } from '../peers/llm.js';
import { type Action, AGENT_ACTIONS, assertFile, createAgentSession } from './agent-actions.js';
import { CODING_ACTIONS, createCodingSession } from './coding-actions.js';
import { type Actor, OwnFiles, type StormSandbox, type StormWorld, type Tenant } from './storm-world.js';

const ACTORS = 6;
const SANDBOXES = { fewest: 2, most: 3 } as const;
const KILL_SHARE = 0.004;

/** Random operations of several actors in the sandboxes of two tenants, all at the same time. */
export class SandboxStorm {
  private readonly actors: Actor[];

  constructor(
    private readonly world: StormWorld,
    seed: number,
  ) {
    this.actors = Array.from({ length: ACTORS }, (_, index) => ({
      dice: new Random(seed * 31 + index),
      tenant: world.tenants[index % world.tenants.length]!,
      files: new OwnFiles(`a${index}`),
    }));
  }

  /** In each round every actor does one thing; they do not wait for each other. */
  async rage(rounds: number): Promise<void> {
    let isOver = false;
    const act = async (actor: Actor): Promise<void> => {
      for (let round = 0; round < rounds && !isOver; round += 1) await this.step(actor);
    };
    await Promise.all(
      this.actors.map((actor) =>
        act(actor).catch((error: unknown) => {
          isOver = true;
          throw error;
        }),
      ),
    );
  }

  /** What was acknowledged is there when all is over. */
  async readBack(): Promise<void> {
    for (const actor of this.actors) {
      const sandbox = (await createAgentSession(this.world, actor))!;
      for (const path of actor.files.paths) {
        const heard = await this.world.requests.send(
          actor.tenant.client,
          'GET',
          `/v1/sessions/${sandbox.id}/files/${path}`,
        );
        assertFile(this.world, actor, path, heard!);
      }
      await this.world.requests.send(actor.tenant.client, 'DELETE', `/v1/sessions/${sandbox.id}`);
    }
  }

  private async step(actor: Actor): Promise<void> {
    const { dice, tenant } = actor;
    if (dice.chance(KILL_SHARE)) this.world.killRunner();
    if (dice.chance(0.03)) return this.trespass(actor);
    const surface = dice.chance(0.5) ? 'agent' : 'coding';
    const there = tenant.sandboxes.filter((one) => one.surface === surface && !one.isLeaving);
    const isNew = there.length < SANDBOXES.fewest || (there.length < SANDBOXES.most && dice.chance(0.1));
    const create = surface === 'agent' ? createAgentSession : createCodingSession;
    const sandbox = isNew ? await create(this.world, actor) : dice.pick(there);
    if (!sandbox) return;
    await weighed(dice, surface === 'agent' ? AGENT_ACTIONS : CODING_ACTIONS)(this.world, actor, sandbox);
  }

  /** Of what belongs to another tenant nothing is told, whatever state it is in. */
  private async trespass({ dice, tenant }: Actor): Promise<void> {
    const theirs = this.world.tenants.filter((one) => one !== tenant).flatMap(({ sandboxes }) => sandboxes);
    if (theirs.length === 0) return;
    const sandbox = dice.pick(theirs);
    const [method, path, body] = dice.pick(
      sandbox.surface === 'agent' ? onAgentSession(sandbox) : onCodingSession(sandbox),
    );
    const heard = await this.world.requests.send(tenant.client, method, path, body && { body });
    const allowed = sandbox.surface === 'agent' ? [404] : sandbox.isLeaving ? [403, 404] : [403];
    if (!allowed.includes(heard!.status))
      throw this.world.requests.failure(`${method} ${path}: ${heard!.status} for a foreigner`);
  }
}

type Trespass = readonly [method: string, path: string, body?: object];

const onAgentSession = ({ id, executions, responses }: StormSandbox): Trespass[] => [
  ['GET', `/v1/sessions/${id}`],
  ['POST', `/v1/sessions/${id}/exec`, { argv: ['true'] }],
  ['GET', `/v1/sessions/${id}/exec/${executions.at(-1) ?? 'exec_x'}/events`],
  ['POST', `/v1/sessions/${id}/exec/${executions.at(-1) ?? 'exec_x'}/cancel`],
  ['POST', `/v1/sessions/${id}/responses/${responses.at(-1) ?? 'msg_x'}/cancel`],
  ['POST', `/v1/sessions/${id}/messages`, { message: 'Hello' }],
  ['GET', `/v1/sessions/${id}/files?path=`],
  ['DELETE', `/v1/sessions/${id}`],
];

const onCodingSession = ({ id }: StormSandbox): Trespass[] => [
  ['GET', `/api/sessions/${id}`],
  ['PATCH', `/api/sessions/${id}`, { status: 'archived' }],
  ['DELETE', `/api/sessions/${id}`],
  ['POST', '/api/sandbox', { sessionId: id }],
  ['DELETE', '/api/sandbox', { sessionId: id }],
  ['POST', '/api/sandbox/snapshot', { sessionId: id }],
  ['GET', `/api/sessions/${id}/diff`],
];

function weighed(dice: Random, actions: readonly (readonly [number, Action])[]): Action {
  let left = dice.next() * actions.reduce((sum, [weight]) => sum + weight, 0);
  return (actions.find(([weight]) => (left -= weight) < 0) ?? actions[0]!)[1];
}

/** A model that says, calls and fails as the dice fall. */
export function whims(dice: Random): () => LlmReply {
  const call = (name: string, input: object): LlmReply => ({ text: 'So. ', toolCalls: [{ name, arguments: input }] });
  const replies: (() => LlmReply)[] = [
    () => 'Done.',
    () => 'Done, and much could be said about how. '.repeat(dice.between(1, 40)),
    () => ({
      thinking: 'Hm.',
      text: 'Slowly',
      then: new Promise((resolve) => setTimeout(resolve, dice.between(1, 900))),
    }),
    () => call('exec', { command: dice.pick(['echo hi', 'sleep 0.4', 'sleep 30 & echo left', 'exit 3']) }),
    () => call('exec', { command: `sleep ${dice.between(1, 3)}` }),
    () => call('write_file', { path: 'by-agent.txt', content: 'x'.repeat(dice.between(1, 9_000)) }),
    () => call('read_file', { path: 'by-agent.txt' }),
    () => call('list_files', { path: '.' }),
    () => ({ text: 'I was about to', then: 'drop' }),
    () => ({ text: 'I was about to', then: 'error' }),
  ];
  return () => (dice.chance(0.35) ? 'Yes.' : dice.pick(replies)());
}

export function tenantOf(client: Tenant['client']): Tenant {
  return { client, sandboxes: [] };
}
