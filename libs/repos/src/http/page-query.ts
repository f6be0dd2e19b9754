import { DomainError } from '#kernel';

/** A lenient page size: within [1, max], the default for anything that is not a number (coregit.md §1.2). */
export function pageLimit(value: string | undefined, fallback: number, max: number): number {
  const limit = Number.parseInt(value ?? '', 10);
  return Number.isNaN(limit) ? fallback : Math.min(Math.max(limit, 1), max);
}

export function pageOffset(value: string | undefined): number {
  const offset = Number.parseInt(value ?? '', 10);
  return Number.isNaN(offset) ? 0 : Math.min(Math.max(offset, 0), 1_000_000);
}

const CURSOR = /^([1-9]\d{3}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z)\|([\w-]{1,64})$/;

/** base64 of `<iso>|<id>` (coregit.md §1.8). Errors: `invalid_input` `Invalid cursor`. */
export function decodeCursor(cursor: string): { updatedAt: string; id: string } {
  const [, updatedAt = '', id = ''] = CURSOR.exec(Buffer.from(cursor, 'base64').toString('utf8')) ?? [];
  const at = new Date(updatedAt);
  // Compared, because a day that no month has is read as one of the next.
  if (Number.isNaN(at.getTime()) || at.toISOString() !== updatedAt) throw invalidCursor();
  return { updatedAt, id };
}

export function invalidCursor(): DomainError {
  return new DomainError('invalid_input', 'Invalid cursor', { field: 'cursor' });
}

export function encodeCursor(updatedAt: Date, id: string): string {
  return Buffer.from(`${updatedAt.toISOString()}|${id}`).toString('base64');
}
