import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  createReadStream,
  fchmodSync,
  fchownSync,
  fsyncSync,
  futimesSync,
  lchownSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { createInterface } from 'node:readline';
import { DomainError } from '#kernel';
import { HeldDirectory } from './held-directory.js';
import { fromLine, type SnapshotContent, type SnapshotEntry } from './manifest.js';

const CHUNK_BYTES = 1_048_576;
const SLASH = 0x2f;

export interface RestoreSnapshot {
  /** Empty; becomes what the snapshot says. */
  readonly directory: string;
  /** A file with the list of entries. */
  readonly entries: string;
  /** Who is to own it all; null for whoever runs this. */
  readonly uid: number | null;
}

/** Brings a blob, by its index, to a file of this machine, which the restore removes. */
export type FetchBlob = (index: number) => Promise<string>;

/** Builds a directory from a snapshot, on disk when it resolves. For a thread of its own. Errors: `internal` for damage. */
export async function restoreSnapshot(how: RestoreSnapshot, fetch: FetchBlob): Promise<void> {
  const restore = new Restore(how, fetch);
  try {
    for await (const line of createInterface({ input: createReadStream(how.entries), crlfDelay: Infinity }))
      await restore.entry(fromLine(line));
    restore.end();
  } finally {
    restore.close();
  }
}

interface OpenDirectory {
  readonly held: HeldDirectory;
  readonly entry: SnapshotEntry;
}

class Restore {
  private readonly chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  /** From the top to where the restore is; a directory gets its mode and time when all in it is done. */
  private readonly open: OpenDirectory[] = [];
  /** The last two that were needed: files with a blob of their own stand between those that share one. */
  private readonly blobs: { readonly index: number; readonly path: string; readonly fd: number }[] = [];

  constructor(
    private readonly how: RestoreSnapshot,
    private readonly fetch: FetchBlob,
  ) {}

  async entry(entry: SnapshotEntry): Promise<void> {
    const { path, type } = entry;
    if (path.length === 0) {
      this.open.push({ held: HeldDirectory.at(this.how.directory), entry });
      return;
    }
    const parent = this.parentOf(path);
    const at = parent.pathOf(path.subarray(path.lastIndexOf(SLASH) + 1));
    if (type === 'directory') {
      mkdirSync(at, 0o700);
      this.open.push({ held: HeldDirectory.at(at), entry });
    } else if (type === 'link') {
      symlinkSync(entry.target!, at);
      if (this.how.uid !== null) lchownSync(at, this.how.uid, this.how.uid);
      lutimesSync(at, seconds(entry), seconds(entry));
    } else {
      await this.file(at, entry, entry.content!);
    }
  }

  end(): void {
    while (this.open.length > 0) this.leave();
  }

  close(): void {
    for (const { held } of this.open) held.close();
    while (this.blobs.length > 0) this.dropBlob();
  }

  /** The directory that a path lies in: it is the last of those begun that is above it. */
  private parentOf(path: Buffer): HeldDirectory {
    const parent = path.subarray(0, Math.max(0, path.lastIndexOf(SLASH)));
    for (;;) {
      const last = this.open.at(-1);
      if (!last) throw damaged();
      if (last.entry.path.equals(parent)) return last.held;
      this.leave();
    }
  }

  private leave(): void {
    const { held, entry } = this.open.pop()!;
    try {
      this.finish(held.fd, entry);
    } finally {
      held.close();
    }
  }

  private async file(at: Buffer, entry: SnapshotEntry, { size, digest, blob, offset }: SnapshotContent): Promise<void> {
    const source = size === 0 ? null : await this.sourceOf(blob);
    const fd = openSync(at, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
    try {
      const hash = createHash('sha256');
      for (let done = 0; source !== null && done < size;) {
        const read = readSync(source, this.chunk, 0, Math.min(CHUNK_BYTES, size - done), offset + done);
        if (read === 0) throw damaged();
        hash.update(this.chunk.subarray(0, read));
        for (let written = 0; written < read;) written += writeSync(fd, this.chunk, written, read - written);
        done += read;
      }
      if (hash.digest('hex') !== digest) throw damaged();
      this.finish(fd, entry);
    } finally {
      closeSync(fd);
    }
  }

  /** The owner first: a change of it takes set-id bits away. */
  private finish(fd: number, entry: SnapshotEntry): void {
    if (this.how.uid !== null) fchownSync(fd, this.how.uid, this.how.uid);
    fchmodSync(fd, entry.mode);
    futimesSync(fd, seconds(entry), seconds(entry));
    fsyncSync(fd);
  }

  private async sourceOf(index: number): Promise<number> {
    const at = this.blobs.findIndex((blob) => blob.index === index);
    if (at >= 0) this.blobs.push(...this.blobs.splice(at, 1));
    else {
      const path = await this.fetch(index);
      this.blobs.push({ index, path, fd: openSync(path, 'r') });
    }
    if (this.blobs.length > 2) this.dropBlob();
    return this.blobs.at(-1)!.fd;
  }

  private dropBlob(): void {
    const [blob] = this.blobs.splice(0, 1);
    if (!blob) return;
    closeSync(blob.fd);
    rmSync(blob.path, { force: true });
  }
}

function seconds({ mtimeNs }: SnapshotEntry): number {
  return Number(mtimeNs) / 1e9;
}

function damaged(): DomainError {
  return new DomainError('operation_failed', 'The snapshot is damaged', { reason: 'snapshot_damaged' });
}
