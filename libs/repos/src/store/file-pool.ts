import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

interface OpenFile {
  readonly fd: number;
  readonly size: number;
  /** Milliseconds since the epoch. */
  usedAt: number;
}

/** A file disappeared between listing and opening, as happens while a repack replaces packs. */
export class VanishedFileError extends Error {
  constructor(cause: unknown) {
    super('file vanished', { cause });
  }
}

/**
 * Positional reads from immutable files through a bounded set of descriptors (least recently used closes first), so
 * that a thousand repositories with hundreds of packs never exhaust the process. One per thread; purely synchronous.
 */
export class FilePool {
  private readonly files = new Map<string, OpenFile>();

  constructor(private readonly maxOpen: number) {}

  /** Up to `length` bytes at `position`; shorter only at the end of the file. Throws VanishedFileError on ENOENT. */
  read(path: string, position: number, length: number): Buffer {
    const { fd, size } = this.open(path);
    const wanted = Math.max(0, Math.min(length, size - position));
    const buffer = wanted > 65_536 ? Buffer.allocUnsafeSlow(wanted) : Buffer.allocUnsafe(wanted);
    let filled = 0;
    while (filled < wanted) {
      const count = readSync(fd, buffer, filled, wanted - filled, position + filled);
      if (count === 0) break;
      filled += count;
    }
    return filled === wanted ? buffer : buffer.subarray(0, filled);
  }

  /** Length of the file in bytes when it was opened. */
  size(path: string): number {
    return this.open(path).size;
  }

  close(path: string): void {
    const file = this.files.get(path);
    if (file === undefined) return;
    this.files.delete(path);
    closeSync(file.fd);
  }

  /** Closes what was not read for `idleMs`: an open descriptor keeps the space of a deleted pack occupied. */
  closeIdle(idleMs: number): void {
    const before = Date.now() - idleMs;
    for (const [path, file] of this.files) {
      if (file.usedAt > before) break;
      this.close(path);
    }
  }

  closeAll(): void {
    for (const path of [...this.files.keys()]) this.close(path);
  }

  get openCount(): number {
    return this.files.size;
  }

  private open(path: string): OpenFile {
    const known = this.files.get(path);
    if (known !== undefined) {
      this.files.delete(path);
      this.files.set(path, known);
      known.usedAt = Date.now();
      return known;
    }
    const fd = openExisting(path);
    const file = { fd, size: fstatSync(fd).size, usedAt: Date.now() };
    this.files.set(path, file);
    if (this.files.size > this.maxOpen) {
      const oldest = this.files.keys().next();
      if (!oldest.done) this.close(oldest.value);
    }
    return file;
  }
}

function openExisting(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new VanishedFileError(error);
    throw error;
  }
}
