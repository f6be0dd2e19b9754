import { pipeline as pipe, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { pack, type Pack } from 'tar-stream';
import { parseObject } from '../conversation/json.js';
import { type ArchiveLimits, CEILINGS } from './archive-limits.js';
import { inflate } from './inflate.js';
import { Layout } from './layout.js';
import { type Member, members } from './members.js';

/** A larger manifest is none to the server either (read-archive.ts). */
const MAX_MANIFEST_BYTES = 1_048_576;
/** What is stored was held to the limits of its time. */
const AS_STORED: ArchiveLimits = { archiveBytes: Infinity, memberBytes: CEILINGS.memberBytes, canUpgrade: false };

/**
 * A stored archive as it would be if its manifest named `sessionId`; all else in it stays as it is. The bytes depend on
 * nothing but the arguments. Memory does not grow with the archive, and zlib works beside the main thread.
 */
export function renamedArchive(archive: Readable, sessionId: string, writtenAt: Date): Readable {
  const packer = pack();
  const gzip = createGzip();
  // One failure ends all three; whoever reads learns of it by the stream's end.
  pipe(packer, gzip, () => archive.destroy());
  repack(archive, packer, sessionId, writtenAt).catch((error: unknown) => {
    gzip.destroy(error instanceof Error ? error : new Error(String(error)));
  });
  return gzip;
}

async function repack(archive: Readable, packer: Pack, sessionId: string, mtime: Date): Promise<void> {
  const layout = new Layout();
  for await (const member of members(inflate(archive), AS_STORED)) {
    const { path: name, bytes: size, content } = member;
    if (layout.place(name).role === 'manifest' && size <= MAX_MANIFEST_BYTES) {
      packer.entry({ name, mtime }, renamed(await contentOf(member), sessionId));
    } else await pipeline(Readable.from(content, { objectMode: false }), packer.entry({ name, size, mtime }));
  }
  packer.finalize();
}

/** As it came when it is no JSON object. */
function renamed(bytes: Buffer, sessionId: string): Buffer {
  const manifest = parseObject(bytes.toString('utf8').replace(/^\ufeff/, ''));
  return manifest === undefined ? bytes : Buffer.from(JSON.stringify({ ...manifest, session_id: sessionId }, null, 2));
}

async function contentOf({ content }: Member): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of content) chunks.push(chunk);
  return Buffer.concat(chunks);
}
