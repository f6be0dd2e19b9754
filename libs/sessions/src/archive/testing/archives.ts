import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { type Header, pack } from 'tar-stream';
import type { ArchiveLimits } from '../archive-limits.js';
import type { DlpRules } from '../dlp-screen.js';
import { type ArchiveReading, readArchive } from '../read-archive.js';

export type TestMember = Partial<Header> & { readonly name: string; readonly content?: string | Buffer };

const MEBIBYTE = 1_048_576;
export const FREE: ArchiveLimits = { archiveBytes: 50 * MEBIBYTE, memberBytes: 10 * MEBIBYTE, canUpgrade: true };

export async function tarOf(members: readonly TestMember[]): Promise<Buffer> {
  const packer = pack();
  for (const { content, ...header } of members) packer.entry(header, content ?? '');
  packer.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of packer as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export const tarGz = async (...members: readonly TestMember[]): Promise<Buffer> => gzipSync(await tarOf(members));

export const line = (text: string, more: object = {}): string =>
  JSON.stringify({ msg_id: 'a', role: 'user', content: [{ type: 'text', text }], ...more });

/** A spool folder of a test's own. */
export class SpoolFolder {
  private constructor(readonly path: string) {}

  static async create(): Promise<SpoolFolder> {
    return new SpoolFolder(await mkdtemp(join(tmpdir(), 'rh-spools-')));
  }

  read(
    archive: Buffer,
    { limits = FREE, chunkBytes = 1_000, dlp = null as DlpRules | null } = {},
  ): Promise<ArchiveReading> {
    return readArchive(chunksOf(archive, chunkBytes), { limits, dlp, spoolFolder: this.path });
  }

  files(): Promise<string[]> {
    return readdir(this.path);
  }

  remove(): Promise<void> {
    return rm(this.path, { recursive: true });
  }
}

export function chunksOf(bytes: Buffer, size: number): Readable {
  function* chunks(): Generator<Buffer> {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }
  return Readable.from(chunks());
}
