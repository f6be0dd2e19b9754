import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';
import { createGzip } from 'node:zlib';
import { setTimeout as pause } from 'node:timers/promises';
import { pack } from 'tar-stream';
import { summary } from '../statistics.mjs';

const MEBIBYTE = 1_048_576;
const MEMBER_BYTES = 45 * MEBIBYTE;
const PUSHES = 3;
const MEGABYTES = 280;

/** How long the server's main thread is kept from other callers while archives as large as they may be are received. */
export async function measurePush({ server, client, report }) {
  const push = (megabytes) => pushArchive(server.url, client.key, megabytes);
  await push(20);
  const idle = await server.watch(() => pause(2_000));
  const took = [];
  const worst = [];
  let longest = 0;
  for (let round = 0; round < PUSHES; round += 1) {
    const started = performance.now();
    const { delay } = await server.watch(() => push(MEGABYTES));
    took.push(performance.now() - started);
    worst.push(delay.p99);
    longest = Math.max(longest, delay.max);
  }
  const row = (name, value, more = {}) => report.add({ section: 'push', name, kind: 'time', value, ...more });
  row(`push of an archive of ${MEGABYTES} MB`, summary(took).p50, { ours: summary(took), pairs: PUSHES });
  row(`main thread busy meanwhile, worst p99 of ${PUSHES} pushes`, Math.max(...worst), { limit: 5 });
  row('main thread busy meanwhile, longest', longest);
  row('main thread of an idle server, longest in 2 s', idle.delay.max);
}

async function pushArchive(url, key, megabytes) {
  const boundary = randomBytes(12).toString('hex');
  const id = `ses_${randomBytes(8).toString('hex')}`;
  const sent = request(`${url}/api/v1/sessions/${id}/sync`, {
    method: 'PUT',
    headers: { 'x-api-key': key, 'content-type': `multipart/form-data; boundary=${boundary}` },
  });
  const answer = once(sent, 'response');
  sent.write(`--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="s.tar.gz"\r\n\r\n`);
  const packer = pack();
  packer
    .pipe(createGzip({ level: 0 }))
    .on('end', () => sent.end(`\r\n--${boundary}--\r\n`))
    .pipe(sent, { end: false });
  const text = randomBytes(24_000).toString('base64');
  const line = Buffer.from(`${JSON.stringify({ role: 'user', content: [{ type: 'text', text }] })}\n`);
  await add(packer, 'messages.jsonl', Math.floor(MEMBER_BYTES / 3 / line.length) * line.length, line);
  const noise = randomBytes(MEBIBYTE);
  for (let left = megabytes * MEBIBYTE, n = 0; left > 0; left -= MEMBER_BYTES, n += 1) {
    await add(packer, `context/${n}.bin`, Math.min(left, MEMBER_BYTES), noise);
  }
  packer.finalize();
  const [response] = await answer;
  const body = (await response.toArray()).join('');
  if (response.statusCode !== 201) throw new Error(`a push answered ${response.statusCode}: ${body}`);
}

async function add(packer, name, size, piece) {
  const sink = packer.entry({ name, size });
  for (let left = size; left > 0;) {
    const chunk = piece.subarray(0, left);
    left -= chunk.length;
    if (!sink.write(chunk)) await once(sink, 'drain');
  }
  sink.end(null);
}
