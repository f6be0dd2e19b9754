import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { faultPoint, ifAbsent, onDisk, type SpooledBlob } from '#kernel';
import { blobKey, blobNotFound, type BlobRange, BlobStore } from './blob-store.js';

const CHUNK_BYTES = 64 * 1024;

/** Blobs as files `<root>/aa/bb/<sha256>` of this machine or of a volume that all nodes share. */
export class LocalBlobStore extends BlobStore {
  readonly spoolFolder: string;
  /** Folders whose own names this process has made durable. */
  private readonly durable = new Set<string>();

  constructor(private readonly root: string) {
    super();
    // On the same file system, so that publishing is one rename.
    this.spoolFolder = join(root, 'tmp');
  }

  async publish({ path, digest }: SpooledBlob): Promise<void> {
    const target = this.pathOf(digest);
    await onDisk(async () => {
      await this.makeFolder(dirname(target));
      // Also over a file that is there: who wrote that may not have made its name durable yet.
      await rename(path, target);
      faultPoint('blob.renamed');
      await syncFolder(dirname(target));
    });
  }

  async open(digest: string, range?: BlobRange): Promise<Readable> {
    const file = await open(this.pathOf(digest), 'r').catch((error: unknown) => {
      throw (error as NodeJS.ErrnoException).code === 'ENOENT' ? blobNotFound(error) : error;
    });
    if (range !== undefined && range.start >= range.end) {
      await file.close();
      return Readable.from([]);
    }
    // The stream's `end` is the last byte it reads.
    return file.createReadStream({
      highWaterMark: CHUNK_BYTES,
      ...(range && { start: range.start, end: range.end - 1 }),
    });
  }

  stat(digest: string): Promise<number | null> {
    return stat(this.pathOf(digest)).then(({ size }) => size, ifAbsent(null));
  }

  async delete(digest: string): Promise<void> {
    await rm(this.pathOf(digest), { force: true });
  }

  private pathOf(digest: string): string {
    return join(this.root, blobKey(digest));
  }

  /** Makes `<root>/aa/bb`; a folder that another process made may not be durable either, so each is synced once. */
  private async makeFolder(folder: string): Promise<void> {
    if (this.durable.has(folder)) return;
    await mkdir(folder, { recursive: true });
    for (const parent of [dirname(folder), this.root, dirname(this.root)]) await syncFolder(parent);
    this.durable.add(folder);
  }
}

/** Makes the names in a folder durable: a renamed or created file can vanish in a power cut until this resolves. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
