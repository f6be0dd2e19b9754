import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { CorruptObjectError } from './git-object.js';
import type { GitObject, ObjectInfo, ObjectType } from './git-object.js';
import { assertPlausibleSize, inflateExact, inflatePrefix } from './inflate.js';

const HEADER = /^(commit|tree|blob|tag) (0|[1-9][0-9]{0,14})$/;
/** Enough compressed bytes for any header `type size\0`. */
const SNIFF_BYTES = 512;

interface LooseHeader extends ObjectInfo {
  /** Length of the header including its NUL. */
  readonly length: number;
}

/** The loose object stored at `path`; null when there is none. Throws CorruptObjectError. */
export function readLoose(path: string): GitObject | null {
  const stored = readIfPresent(path);
  if (stored === null) return null;
  const header = parseHeader(stored.subarray(0, SNIFF_BYTES));
  assertPlausibleSize(header.size, stored.length);
  const whole = inflateExact(stored, header.length + header.size);
  if (whole === null) throw new CorruptObjectError('loose object ends early');
  return { type: header.type, data: whole.subarray(header.length) };
}

/** Type and size of the loose object at `path` from its first bytes; `end` is the length of the file. */
export function looseInfo(path: string): (LooseHeader & { readonly end: number }) | null {
  const fd = openIfPresent(path);
  if (fd === null) return null;
  try {
    const head = Buffer.allocUnsafe(SNIFF_BYTES);
    const count = readSync(fd, head, 0, SNIFF_BYTES, 0);
    return { ...parseHeader(head.subarray(0, count)), end: fstatSync(fd).size };
  } finally {
    closeSync(fd);
  }
}

function parseHeader(compressed: Buffer): LooseHeader {
  const head = inflatePrefix(compressed, 64);
  const nul = head.subarray(0, 64).indexOf(0);
  const match = nul < 0 ? null : HEADER.exec(head.toString('latin1', 0, nul));
  if (match === null) throw new CorruptObjectError('loose object header');
  return { type: match[1] as ObjectType, size: Number(match[2]), length: nul + 1 };
}

function readIfPresent(path: string): Buffer | null {
  const fd = openIfPresent(path);
  if (fd === null) return null;
  try {
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}

function openIfPresent(path: string): number | null {
  try {
    return openSync(path, 'r');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw error;
  }
}
