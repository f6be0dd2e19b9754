import { pipeline as pipe, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { pack, type Pack } from 'tar-stream';
import { parseObject } from '../conversation/json.js';
import { CEILINGS } from './archive-limits.js';
import { headerOf } from './archive-writer.js';
import { inflate } from './inflate.js';
import { Layout } from './layout.js';
import { type Member, members } from './members.js';

/** What was accepted once is read again, whatever plan its owner has by now. */
const LIMITS = { archiveBytes: Infinity, memberBytes: CEILINGS.memberBytes, canUpgrade: false };

/** A larger manifest is none to the server either (read-archive.ts). */
const MAX_MANIFEST_BYTES = 1_048_576;

/**
 * A stored archive as it would be if its manifest named `sessionId`; all else in it stays as it is. Equal archives become
 * equal bytes. It flows at once and in constant memory, so that no client waits for the whole of a large one; what is to
 * be computed zlib does beside the main thread.
 */
export function renamedArchive(archive: Readable, sessionId: string): Readable {
  const packer = pack();
  const gzip = createGzip();
  // One failure ends all three; whoever reads learns of it by the stream's end.
  pipe(packer, gzip, () => archive.destroy());
  repack(archive, packer, sessionId).catch((error: unknown) => {
    gzip.destroy(error instanceof Error ? error : new Error(String(error)));
  });
  return gzip;
}

async function repack(archive: Readable, packer: Pack, sessionId: string): Promise<void> {
  const layout = new Layout();
  for await (const member of members(inflate(archive), LIMITS)) {
    const isManifest = layout.place(member.path).role === 'manifest' && member.bytes <= MAX_MANIFEST_BYTES;
    if (isManifest) {
      const manifest = renamed(await gathered(member), sessionId);
      packer.entry(headerOf(member, manifest.length), manifest);
    } else {
      const content = Readable.from(member.content, { objectMode: false });
      await pipeline(content, packer.entry(headerOf(member, member.bytes)));
    }
  }
  packer.finalize();
}

/** As it came when it is no JSON object. */
function renamed(bytes: Buffer, sessionId: string): Buffer {
  const manifest = parseObject(bytes.toString('utf8').replace(/^\ufeff/, ''));
  return manifest === undefined ? bytes : Buffer.from(JSON.stringify({ ...manifest, session_id: sessionId }, null, 2));
}

async function gathered({ content }: Member): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of content) chunks.push(chunk);
  return Buffer.concat(chunks);
}
