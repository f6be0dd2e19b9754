import { DomainError } from '#kernel';

/** Byte positions [start, end). */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

const SHAPE = /^bytes=(\d{1,15})-(\d{0,15})$/;
const SUFFIX = /^bytes=-(\d{1,15})$/;

/**
 * One byte range over `size` bytes, `end` exclusive; null without a header. `a-b` and `a-` are understood, and `-n` when
 * `allowSuffix` (coregit.md §8.3, §8.4). Errors: `range_not_satisfiable` with `Content-Range`.
 */
export function parseByteRange(header: string | undefined, size: number, allowSuffix: boolean): ByteRange | null {
  if (header === undefined) return null;
  const suffix = allowSuffix ? SUFFIX.exec(header) : null;
  if (suffix) return checked(Math.max(0, size - Number(suffix[1])), size, size);
  const match = SHAPE.exec(header);
  if (!match) throw refused('Invalid Range header. Expected bytes=start-end.', size);
  const start = Number(match[1]);
  const end = match[2] === '' ? size : Math.min(Number(match[2]) + 1, size);
  return checked(start, end, size);
}

/** The Content-Range of a partial answer. */
export function contentRange(range: ByteRange, size: number): string {
  return `bytes ${range.start}-${range.end - 1}/${size}`;
}

function checked(start: number, end: number, size: number): ByteRange {
  if (start >= size || start >= end) throw refused('Range not satisfiable', size);
  return { start, end };
}

function refused(message: string, size: number): DomainError {
  return new DomainError('range_not_satisfiable', message, { headers: { 'Content-Range': `bytes */${size}` } });
}
