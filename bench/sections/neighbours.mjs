import { setTimeout as pause } from 'node:timers/promises';
import { percentile, summary, timed } from '../statistics.mjs';

const EXECS = 100;
const RUNS = 5;
/** How long a bomb has to reach its limits. */
const FUSE_MS = 1_000;
/** In seconds, after which each of them ends whatever becomes of the benchmark. */
const BOMB_SECONDS = 60;

/** What each of them runs into its limits with, again and again; one that the server ends is started anew. */
const BOMBS = {
  processes: ['perl', '-e', 'while (1) { fork }'],
  memory: ['sh', '-c', 'while :; do tail /dev/zero; done'],
  processors: ['sh', '-c', 'for n in 1 2 3 4 5 6 7 8; do (while :; do :; done) & done; wait'],
  output: ['yes'],
};
/** Nothing to do, as long as a bomb. */
const IDLE = ['sleep', String(BOMB_SECONDS)];

/**
 * Commands in one sandbox beside another one that has a bomb in it, against the same commands beside an idle one: p95 of
 * 100 in a row, the median of five runs. Only where the kernel keeps the limits of whole sandboxes: elsewhere a bomb can
 * have the machine for a while.
 */
export async function measureNeighbours({ client, report }) {
  const { available, level, reason } = await supportOf(client);
  if (!available) return report.note('neighbours', `no sandboxes here: ${reason}`);
  report.note('neighbours', `limits are kept by: ${level}`);
  if (!level.startsWith('cgroup')) return;
  for (const [bomb, argv] of Object.entries(BOMBS)) {
    const runs = [];
    for (let run = 0; run < RUNS; run += 1) {
      const took = {};
      const sides = [
        async () => (took.ours = await beside(client, argv)),
        async () => (took.theirs = await beside(client, IDLE)),
      ];
      for (const side of run % 2 === 0 ? sides : sides.reverse()) await side();
      runs.push(took);
    }
    const ratios = runs.map(({ ours, theirs }) => percentile(ours, 0.95) / percentile(theirs, 0.95));
    report.add({
      section: 'neighbours',
      name: `commands beside a bomb of ${bomb} / beside an idle sandbox, p95`,
      kind: 'ratio',
      value: percentile(ratios, 0.5),
      limit: 2,
      ours: summary(runs.flatMap(({ ours }) => ours)),
      theirs: summary(runs.flatMap(({ theirs }) => theirs)),
      pairs: RUNS,
    });
  }
}

/** What the server found out about this machine; it looks when it is first asked. */
async function supportOf(client) {
  for (;;) {
    const { sandboxes } = await client.json('GET', '/health');
    if (sandboxes.available !== null) return sandboxes;
    await pause(100);
  }
}

/** Milliseconds of each of the commands while `argv` runs next door. */
async function beside(client, argv) {
  const [own, other] = [await open(client), await open(client)];
  let isOver = false;
  let bomb;
  try {
    bomb = keep(client, other, argv, () => isOver);
    bomb.catch(() => undefined);
    await pause(FUSE_MS);
    const took = [];
    for (let number = 0; number < EXECS; number += 1) {
      took.push(await timed(() => exec(client, own, { argv: ['echo', 'here'] })));
    }
    return took;
  } finally {
    isOver = true;
    for (const id of [other, own]) await client.send('DELETE', `/v1/sessions/${id}`);
    await bomb;
  }
}

/** Runs it until that is over; its sandbox is deleted then, and the last one with it. */
async function keep(client, id, argv, isOver) {
  while (!isOver()) {
    try {
      await exec(client, id, { argv, timeout: BOMB_SECONDS, max_output_bytes: 1 });
    } catch (error) {
      if (!isOver()) throw error;
    }
  }
}

const open = async (client) => (await client.json('POST', '/v1/sessions', { persistent: true })).id;

function exec(client, id, command) {
  const headers = { accept: 'application/json' };
  return client.send('POST', `/v1/sessions/${id}/exec`, { body: Buffer.from(JSON.stringify(command)), headers });
}
