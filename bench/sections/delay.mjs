import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { summary, timed } from '../statistics.mjs';

const COMMITS = 10;
const FILE_BYTES = 9_800_000;
const MEBIBYTE = 1_048_576;

/** How long the server's main thread is kept from other callers by commits as large as they may be. */
export async function measureDelay({ server, client, report }) {
  await client.json('POST', '/v1/repos', { slug: 'large' });
  const bodies = [largeBody(0), largeBody(1)];
  await client.commit('large', bodies[0]);
  const idle = await server.watch(() => pause(2_000));
  const took = [];
  const { delay } = await server.watch(async () => {
    for (let round = 0; round < COMMITS; round += 1) {
      took.push(await timed(() => client.commit('large', bodies[round % 2])));
    }
  });
  const worst = [];
  for (let round = 0; round < COMMITS; round += 1) {
    worst.push((await server.watch(() => client.commit('large', bodies[round % 2]))).delay.p99);
  }
  const size = `${(bodies[0].length / MEBIBYTE).toFixed(1)} MiB`;
  report.add({
    section: 'delay',
    name: `commit with a body of ${size}`,
    kind: 'time',
    value: summary(took).p50,
    ours: summary(took),
    pairs: COMMITS,
  });
  report.add({
    section: 'delay',
    name: `main thread busy meanwhile, p99 over ${COMMITS} commits`,
    kind: 'time',
    value: delay.p99,
    limit: 20,
  });
  report.add({
    section: 'delay',
    name: `the same, worst p99 of ${COMMITS} single commits`,
    kind: 'time',
    value: Math.max(...worst),
    limit: 20,
  });
  report.add({
    section: 'delay',
    name: 'main thread busy meanwhile, longest',
    kind: 'time',
    value: delay.max,
  });
  report.add({
    section: 'delay',
    name: 'main thread of an idle server, longest in 2 s',
    kind: 'time',
    value: idle.delay.max,
  });
}

/** Two files that cannot be compressed, in base64: just under 25 MiB. */
function largeBody(number) {
  const changes = [0, 1].map((index) => ({
    path: `data-${index}.bin`,
    encoding: 'base64',
    content: randomBytes(FILE_BYTES).toString('base64'),
  }));
  return Buffer.from(JSON.stringify({ branch: 'main', message: `large ${number}`, changes }));
}
