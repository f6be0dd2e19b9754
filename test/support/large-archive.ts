import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import type { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { pack } from 'tar-stream';
import type { Client } from './client.js';

const MEBIBYTE = 1_048_576;
/** Below the cap on members of every paid plan. */
const MEMBER_BYTES = 45 * MEBIBYTE;

export interface LargePush {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/**
 * Pushes an archive of about so many megabytes, made on the way: a conversation of up to 45 MB whose lines hardly
 * compress, then binary noise. `secret` stands in every hundredth message.
 */
export async function pushLarge(client: Client, id: string, megabytes: number, secret = ''): Promise<LargePush> {
  const boundary = randomBytes(12).toString('hex');
  const request = httpRequest(`${client.url}/api/v1/sessions/${id}/sync`, {
    method: 'PUT',
    headers: { 'x-api-key': client.key!, 'content-type': `multipart/form-data; boundary=${boundary}` },
  });
  const answer = once(request, 'response');
  request.write(`--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="s.tar.gz"\r\n\r\n`);
  const packer = pack();
  // Stored, not compressed: the machine is shared with the server that is watched.
  packer
    .pipe(createGzip({ level: 0 }))
    .on('end', () => request.end(`\r\n--${boundary}--\r\n`))
    .pipe(request, { end: false });
  await fill(packer, megabytes * MEBIBYTE, secret);
  const [response] = (await answer) as [Readable & { statusCode: number }];
  return { status: response.statusCode, body: JSON.parse((await response.toArray()).join('')) as LargePush['body'] };
}

async function fill(packer: ReturnType<typeof pack>, bytes: number, secret: string): Promise<void> {
  packer.entry({ name: 'manifest.json' }, '{"title":"Large one"}');
  let number = 0;
  const line = (): Buffer => {
    number += 1;
    const text = `${randomBytes(24_000).toString('base64')} ${number % 100 === 0 ? secret : secret.replace(/./g, '-')}`;
    return Buffer.from(`${JSON.stringify({ role: 'user', content: [{ type: 'text', text }] })}\n`);
  };
  const length = line().length;
  number = 0;
  await add(packer, 'messages.jsonl', Math.floor(Math.min(bytes / 2, MEMBER_BYTES) / length) * length, line);
  for (let left = bytes - Math.min(bytes / 2, MEMBER_BYTES), n = 0; left > 0; left -= MEMBER_BYTES, n += 1) {
    await add(packer, `context/${n}.bin`, Math.floor(Math.min(left, MEMBER_BYTES)), () => randomBytes(65_536));
  }
  packer.finalize();
}

async function add(packer: ReturnType<typeof pack>, name: string, size: number, next: () => Buffer): Promise<void> {
  const sink = packer.entry({ name, size });
  for (let left = size; left > 0;) {
    const chunk = next().subarray(0, left);
    left -= chunk.length;
    if (!sink.write(chunk)) await once(sink, 'drain');
  }
  sink.end(null);
}
