import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { BlobSpool, type SpooledBlob } from '#kernel';
import { ArchiveWriter, headerOf } from './archive-writer.js';

type Named = Parameters<typeof headerOf>[0];

/** A member's size stands before its content, and is known only after it: up to here it waits in memory. */
const MAX_HELD_BYTES = 1_048_576;

/** Writes the members of an archive anew while they go by, with constant memory. Ends with `finish` or `discard`. */
export class Repack {
  private chunks: Uint8Array[] = [];
  private bytes = 0;
  private spill: BlobSpool | null = null;

  private constructor(
    private readonly writer: ArchiveWriter,
    private readonly spoolFolder: string,
  ) {}

  static async create(spoolFolder: string): Promise<Repack> {
    return new Repack(await ArchiveWriter.create(spoolFolder), spoolFolder);
  }

  /** Further content of the current member. */
  async write(chunk: Uint8Array): Promise<void> {
    this.bytes += chunk.byteLength;
    if (this.spill !== null) return this.spill.write(chunk);
    this.chunks.push(chunk);
    if (this.bytes <= MAX_HELD_BYTES) return;
    this.spill = await BlobSpool.create(this.spoolFolder);
    for (const held of this.chunks.splice(0)) await this.spill.write(held);
  }

  /** Ends the current member, once `accept` has found its size in order. */
  async endMember(member: Named, accept: (bytes: number) => void): Promise<void> {
    const { bytes, chunks, spill } = this;
    accept(bytes);
    this.bytes = 0;
    this.chunks = [];
    if (spill === null) return this.writer.add(headerOf(member, bytes), chunks);
    const { path } = await spill.finish();
    this.spill = null;
    try {
      await this.writer.add(headerOf(member, bytes), createReadStream(path));
    } finally {
      await rm(path, { force: true });
    }
  }

  finish(): Promise<SpooledBlob> {
    return this.writer.finish();
  }

  async discard(): Promise<void> {
    await this.spill?.discard();
    await this.writer.discard();
  }
}
