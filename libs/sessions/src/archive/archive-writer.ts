import { once } from 'node:events';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { type Header, pack } from 'tar-stream';
import { BlobSpool, type SpooledBlob } from '#kernel';
import type { Member } from './members.js';
import { bufferPassed } from './passing-buffers.js';

/** Of the tar library, which counts seconds in 32 bits. */
const MAX_TIME = (2 ** 31 - 1) * 1000;

/** Of the owner's machine nothing is said. */
export function headerOf({ path, modifiedAt }: Pick<Member, 'path' | 'modifiedAt'>, size: number) {
  return { name: path, size, mtime: new Date(Math.min(MAX_TIME, Math.max(0, modifiedAt.getTime()))) };
}

/** Writes an archive into a spool, member by member; holds a few chunks in memory. Ends with `finish` or `discard`. */
export class ArchiveWriter {
  private readonly packer = pack();
  private readonly written: Promise<void>;

  private constructor(private readonly spool: BlobSpool) {
    this.written = pipeline(this.packer, createGzip(), async (compressed: AsyncIterable<Buffer>) => {
      for await (const chunk of compressed) {
        await spool.write(chunk);
        bufferPassed(chunk.length);
      }
    });
    // Whoever waits for it hears of a failure; nobody may be waiting when it happens.
    this.written.catch(() => undefined);
  }

  static async create(folder: string): Promise<ArchiveWriter> {
    return new ArchiveWriter(await BlobSpool.create(folder));
  }

  /** `content` must be as long as the header says. */
  async add(
    header: Pick<Header, 'name' | 'size' | 'mtime'>,
    content: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  ): Promise<void> {
    let over: (error?: Error | null) => void = () => undefined;
    const ended = new Promise<void>((resolve, reject) => (over = (error) => (error ? reject(error) : resolve())));
    const entry = this.packer.entry(header, (error) => over(error));
    for await (const chunk of content) {
      // `written` only ever wins by failing: nothing drains after that.
      if (!entry.write(chunk)) await Promise.race([once(entry, 'drain'), this.written]);
    }
    entry.end(null);
    await ended;
  }

  async finish(): Promise<SpooledBlob> {
    this.packer.finalize();
    await this.written;
    return this.spool.finish();
  }

  async discard(): Promise<void> {
    this.packer.destroy(new Error('the archive is not wanted'));
    await this.written.catch(() => undefined);
    await this.spool.discard();
  }
}
