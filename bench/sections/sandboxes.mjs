import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { HttpClient } from '../http-client.mjs';
import { interleave, pairedRatio, percentile, summary, timed } from '../statistics.mjs';

const { performance } = globalThis;

const BURST = 50;
const BURSTS = 5;
const FILE_BYTES = 32 * 1_048_576;
const PLAIN = ['--unshare-all', '--die-with-parent', '--new-session', '--ro-bind', '/', '/', '--proc', '/proc'];

/** A sandbox from nothing to its first word, one and many at once, against bubblewrap alone; files against the disk. */
export async function measureSandboxes(bench) {
  const { client, report, pairs } = bench;
  const { sandboxes } = await knownHealth(client);
  if (!sandboxes.available) {
    report.note('sandboxes', `sandboxes are not available: ${sandboxes.reason}`);
    return;
  }
  const one = await interleave(pairs, () => burst(client, 1).then(([took]) => took), plain);
  add(report, 'session and first output of exec echo / bwrap … true', one, 4);
  await measureBurst(bench);
  await measureFiles(bench);
}

/** The first look starts the runner; nothing is started ahead of a sandbox but that. */
async function knownHealth(client) {
  for (;;) {
    const health = await client.json('GET', '/health');
    if (health.sandboxes.available !== null) return health;
  }
}

async function measureBurst({ client, report, pairs }) {
  const crowd = new HttpClient(client.url, client.key, BURST);
  const took = await interleave(
    Math.min(pairs, BURSTS),
    async () => percentile(await burst(crowd, BURST), 0.95),
    async () => percentile(await Promise.all(Array.from({ length: BURST }, plain)), 0.95),
  );
  crowd.close();
  add(report, `p95 of ${BURST} of them at once / ${BURST} bwrap at once`, took, 4);
}

async function measureFiles({ client, report, pairs, yardstick }) {
  const { id } = await client.json('POST', '/v1/sessions', { persistent: true });
  const path = `/v1/sessions/${id}/files/large.bin`;
  const body = randomBytes(FILE_BYTES);
  const file = join(yardstick.root, 'large.bin');
  const headers = { 'content-type': 'application/octet-stream' };
  const put = await interleave(
    Math.min(pairs, 12),
    () => timed(() => client.send('PUT', path, { body, headers })),
    () => timed(() => writeDurably(file, body)),
  );
  add(report, 'file of 32 MiB put / written and synced', put);
  const get = await interleave(
    Math.min(pairs, 12),
    () => timed(() => client.send('GET', path)),
    () => timed(() => readFileSync(file)),
  );
  add(report, 'file of 32 MiB got / read', get);
  await client.json('DELETE', `/v1/sessions/${id}`);
}

function writeDurably(file, body) {
  const handle = openSync(file, 'w');
  writeSync(handle, body);
  fsyncSync(handle);
  closeSync(handle);
}

/** So many sessions at once: of each the milliseconds to the first word. They are destroyed when all have spoken. */
async function burst(client, count) {
  const words = await Promise.all(Array.from({ length: count }, () => firstWord(client)));
  for (const { id } of words) await client.json('DELETE', `/v1/sessions/${id}`);
  return words.map(({ took }) => took);
}

/** Milliseconds from the first byte of the session's request to the first of the command's output. */
async function firstWord(client) {
  const started = performance.now();
  const { id } = await client.json('POST', '/v1/sessions', {});
  return { id, took: await outputOf(client, `/v1/sessions/${id}/exec`, started) };
}

function outputOf(client, path, started) {
  const body = JSON.stringify({ argv: ['echo', 'word'] });
  const headers = { 'x-api-key': client.key, 'content-type': 'application/json', 'content-length': body.length };
  const { hostname: host, port } = client.url;
  return new Promise((resolve, reject) => {
    const call = request({ host, port, path, method: 'POST', headers, agent: client.agent }, (response) => {
      let text = '';
      let took;
      response.on('data', (chunk) => {
        text += chunk;
        if (took === undefined && text.includes('event: stdout')) took = performance.now() - started;
      });
      response.on('end', () => (took === undefined ? reject(new Error(`no output: ${text}`)) : resolve(took)));
    });
    call.on('error', reject);
    call.end(body);
  });
}

function plain() {
  return timed(async () => {
    const child = spawn('bwrap', [...PLAIN, 'true'], { stdio: 'ignore' });
    const [code] = await once(child, 'exit');
    if (code !== 0) throw new Error(`bwrap ended with ${code}`);
  });
}

function add(report, name, took, limit) {
  const sides = { ours: summary(took.ours), theirs: summary(took.theirs), pairs: took.ours.length };
  report.add({ section: 'sandboxes', name, kind: 'ratio', value: pairedRatio(took), limit, ...sides });
}
