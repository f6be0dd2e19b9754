import { createHash, randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { onDisk } from './disk-full.js';
import { ifAbsent } from './missing-file.js';

/** A finished file that is on disk for good but not yet in the store. Plain data: it may cross a thread boundary. */
export interface SpooledBlob {
  readonly path: string;
  /** SHA-256 of the content, hex. */
  readonly digest: string;
  readonly bytes: number;
}

/**
 * A blob being written to a file of its own, hashed on the way; nothing is held in memory. Ends with `finish` or
 * `discard`; a crash leaves a file that `sweepSpools` finds. Runs in any thread.
 */
export class BlobSpool {
  private readonly hash = createHash('sha256');
  private written = 0;

  private constructor(
    private readonly path: string,
    private readonly file: FileHandle,
  ) {}

  static async create(folder: string): Promise<BlobSpool> {
    return onDisk(async () => {
      await mkdir(folder, { recursive: true });
      const path = join(folder, `${randomUUID()}.spool`);
      return new BlobSpool(path, await open(path, 'wx', 0o600));
    });
  }

  /** Bytes taken so far. */
  get bytes(): number {
    return this.written;
  }

  /** Resolves when the chunk is with the operating system, so that awaiting it is backpressure. */
  async write(chunk: Uint8Array): Promise<void> {
    this.hash.update(chunk);
    this.written += chunk.byteLength;
    await onDisk(async () => {
      for (let at = 0; at < chunk.byteLength;) {
        at += (await this.file.write(chunk, at, chunk.byteLength - at)).bytesWritten;
      }
    });
  }

  /** The content is on disk, durably, once this resolves. */
  async finish(): Promise<SpooledBlob> {
    await onDisk(() => this.file.sync());
    await this.file.close();
    return { path: this.path, digest: this.hash.digest('hex'), bytes: this.written };
  }

  /** Takes the file away, in whatever state it is. */
  async discard(): Promise<void> {
    await this.file.close();
    await rm(this.path, { force: true });
  }
}

/** Removes spools last written before `before` (milliseconds since the Unix epoch); returns how many. */
export async function sweepSpools(folder: string, before: number): Promise<number> {
  let removed = 0;
  for (const name of await readdir(folder).catch(ifAbsent([]))) {
    const path = join(folder, name);
    const touched = await stat(path).then(({ mtimeMs }) => mtimeMs, ifAbsent(Infinity));
    if (touched >= before) continue;
    await rm(path, { force: true });
    removed += 1;
  }
  return removed;
}
