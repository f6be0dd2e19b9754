import { randomBytes } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { diskFull, DomainError, isDiskFull } from '#kernel';
import type { IndexedPack, IndexPack } from '#repos';
import type { GitChild } from '../git-child.js';
import { reasonFrom, saysDiskFull } from '../git-words.js';
import type { Call, Operation } from '../operation.js';

const LONGEST_SECONDS = 1800;
const STALL_SECONDS = 120;
const HEADER_BYTES = 12;

/**
 * Takes a pushed pack into a quarantine, checked like `receive.fsckObjects=true`. Until the server publishes it no
 * reader can see anything of it; a bad pack leaves nothing behind.
 */
export const indexPack: Operation<'index-pack'> = {
  name: 'index-pack',
  kind: 'mutator',
  lane: 'pack',
  body: 'stream',
  params: (read) => ({ repo: read.repo(), maxBytes: read.count('maxBytes') }),
  async run(call) {
    const quarantine = `incoming-${randomBytes(12).toString('hex')}`;
    const folder = join(call.params.repo, 'objects', quarantine);
    try {
      await createQuarantine(call, folder);
      const indexed = await index(call, quarantine, folder);
      if (indexed.quarantine === null) await rm(folder, { recursive: true, force: true });
      return indexed;
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  },
};

async function createQuarantine({ params, body }: Call<IndexPack>, folder: string): Promise<void> {
  try {
    await mkdir(join(folder, 'pack'), { recursive: true });
    await mkdir(join(folder, 'info'));
    // A file rather than an environment variable, so that every reader of the quarantine finds the repository behind it.
    await writeFile(join(folder, 'info', 'alternates'), `${join(params.repo, 'objects')}\n`);
  } catch (error) {
    if (!isDiskFull(error)) throw error;
    await discard(body, params.maxBytes);
    throw diskFull(error);
  }
}

/** The client only listens once it has sent everything. */
async function discard(body: Readable, maxBytes: number): Promise<void> {
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLarge(maxBytes);
  }
}

async function index(call: Call<IndexPack>, quarantine: string, folder: string): Promise<IndexedPack> {
  const { repo, maxBytes } = call.params;
  const child = call.git(
    {
      repo,
      quarantine: folder,
      args: ['index-pack', '--stdin', '--fix-thin', '--strict', `--max-input-size=${maxBytes}`],
      allocationLimit: '512m',
    },
    { seconds: LONGEST_SECONDS, outputBytes: 4096 },
  );
  const output = child.collect();
  output.catch(() => undefined);
  const received = await feed(call.body, child, maxBytes);
  const { exit, output: words } = await output;
  const sha = /^pack\t([0-9a-f]{40})$/m.exec(words)?.[1];
  if (exit.code !== 0 && saysDiskFull(exit.stderr)) throw diskFull(new Error(exit.stderr));
  if (exit.code !== 0 || sha === undefined) {
    throw new DomainError('unprocessable', reasonFrom(exit.stderr, repo), { reason: 'bad_pack' });
  }
  const objects = received.header.readUInt32BE(8);
  if (objects === 0) return { quarantine: null, packs: [], objects, bytes: received.bytes };
  return { quarantine, packs: [`pack-${sha}`], objects, bytes: received.bytes };
}

/**
 * Sends the whole body to git, and goes on reading when git has given up: the client only listens for the report once
 * it has sent everything.
 */
async function feed(body: Readable, child: GitChild, maxBytes: number): Promise<{ bytes: number; header: Buffer }> {
  let bytes = 0;
  let header = Buffer.alloc(0);
  const stalled = (): void => child.fail(new DomainError('timeout', 'The client stopped sending its pack'));
  let timer = setTimeout(stalled, STALL_SECONDS * 1000);
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      clearTimeout(timer);
      timer = setTimeout(stalled, STALL_SECONDS * 1000);
      bytes += chunk.length;
      if (header.length < HEADER_BYTES) header = Buffer.concat([header, chunk]).subarray(0, HEADER_BYTES);
      if (bytes > maxBytes) throw tooLarge(maxBytes);
      await write(child.stdin, chunk);
    }
  } catch (error) {
    child.stop();
    // git must be gone before its quarantine is removed, or it would write into the void behind the removal.
    await child.exit;
    throw error;
  } finally {
    clearTimeout(timer);
  }
  child.stdin.end();
  return { bytes, header };
}

function tooLarge(maxBytes: number): DomainError {
  const limit = `${Math.floor(maxBytes / 1_048_576)} MB`;
  return new DomainError('payload_too_large', `Pack exceeds ${limit} limit`, { details: { limit_bytes: maxBytes } });
}

function write(stdin: Writable, chunk: Buffer): Promise<void> | void {
  if (stdin.destroyed || stdin.writableEnded || stdin.write(chunk)) return;
  return new Promise((resolve) => {
    const go = (): void => {
      stdin.off('drain', go).off('close', go);
      resolve();
    };
    stdin.on('drain', go).on('close', go);
  });
}
