import type { BigIntStats } from 'node:fs';

/** A file or directory as a listing shows it. */
export interface FileEntry {
  readonly name: string;
  readonly type: 'file' | 'directory';
  /** Bytes; 0 for a directory. */
  readonly size: number;
  readonly modifiedAt: Date;
}

/** Changes with every write of the file, and with its replacement by another one. */
export function etagOf(stat: BigIntStats): string {
  return `"${stat.ino.toString(36)}-${stat.size.toString(36)}-${stat.mtimeNs.toString(36)}"`;
}

/** Null for what is neither file nor directory: pipes and sockets are the sandbox's own business. */
export function entryOf(name: string, stat: BigIntStats): FileEntry | null {
  const modifiedAt = new Date(Number(stat.mtimeMs));
  if (stat.isDirectory()) return { name, type: 'directory', size: 0, modifiedAt };
  return stat.isFile() ? { name, type: 'file', size: Number(stat.size), modifiedAt } : null;
}
