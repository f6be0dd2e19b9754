import { signalAll } from '../../apps/runner/src/sandboxes/process-tree.js';
import { SandboxProvider } from '../../libs/sandboxes/src/index.js';
import { Random } from '../crash/random.js';
import { signUp } from '../support/client.js';
import { modelSettings } from '../support/model-settings.js';
import { LlmPeer } from '../support/peers/llm.js';
import { onAbleMachines } from '../support/sandboxes.js';
import { startTestServer, type TestServer } from '../support/server.js';
import { descriptorsOf, leftovers } from '../support/storm/leftovers.js';
import { SandboxStorm, tenantOf, whims } from '../support/storm/sandbox-storm.js';
import { FollowedLogs, type StormWorld, type Tenant } from '../support/storm/storm-world.js';
import { WatchedRequests } from '../support/storm/watched-requests.js';

const ROUNDS = Number(process.env['ROUNDS'] ?? 12);
const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1e9));
/** What a server and its runner may have open more than at first: pools fill up. */
const MORE_OPEN = 24;
/** What a runner in which nothing runs has open at most. */
const OPEN_AT_REST = 64;

let peer: LlmPeer;
let server: TestServer;
let requests: WatchedRequests;
let tenants: Tenant[];
/** Every runner that was seen. */
const runners = new Set<number>();

beforeAll(async () => {
  peer = await LlmPeer.start();
  peer.reply = whims(new Random(SEED));
  server = await startTestServer({
    ...modelSettings(peer),
    SANDBOX_RETENTION_HOURS: '0',
    SANDBOX_COMMANDS: '8',
    AGENT_TURNS_PER_HOUR: '0',
    AGENT_TURNS_PER_DAY: '0',
    AGENT_TOKENS_PER_HOUR: '0',
    AGENT_TOKENS_PER_DAY: '0',
  });
  requests = new WatchedRequests();
  tenants = (await Promise.all([signUp(server), signUp(server)])).map(tenantOf);
});

afterAll(async () => {
  await server.close();
  await peer.stop();
});

const runner = (): number | undefined => (server.app.get(SandboxProvider) as SandboxProvider & { pid?: number }).pid;

function noteRunner(): number | undefined {
  const pid = runner();
  if (pid !== undefined) runners.add(pid);
  return pid;
}

function killRunner(): void {
  const pid = noteRunner();
  if (pid === undefined) return;
  requests.noteKill();
  // It may be dead already, and the next one not there yet.
  signalAll([pid], 'SIGKILL');
}

async function deleteAll(): Promise<void> {
  for (const { client, sandboxes } of tenants) {
    await requests.send(client, 'DELETE', '/v1/sessions?older_than=0s');
    const coding = sandboxes.filter(({ surface }) => surface === 'coding');
    await Promise.all(coding.map(({ id }) => requests.send(client, 'DELETE', `/api/sessions/${id}`)));
  }
}

onAbleMachines('many who do everything at once', () => {
  it(
    'get an answer each, find what was acknowledged, and leave nothing behind',
    async () => {
      console.log(`${ROUNDS} rounds of seed ${SEED}`);
      const world: StormWorld = { requests, tenants, logs: new FollowedLogs(requests), killRunner, known: new Set() };
      const storm = new SandboxStorm(world, SEED);
      await storm.rage(Math.ceil(ROUNDS / 4));
      noteRunner();
      const before = descriptorsOf(process.pid);
      await storm.rage(ROUNDS - Math.ceil(ROUNDS / 4));
      await storm.readBack();
      await deleteAll();
      const last = noteRunner()!;
      expect(await leftovers(server, [...world.known], runners)).toEqual([]);
      expect(descriptorsOf(process.pid)).toBeLessThanOrEqual(before + MORE_OPEN);
      expect(descriptorsOf(last)).toBeLessThanOrEqual(OPEN_AT_REST);
      if (process.env['ROUNDS'] !== undefined) console.log(requests.summary);
    },
    240_000 + ROUNDS * 2_000,
  );
});
