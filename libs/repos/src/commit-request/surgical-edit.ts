import { DomainError } from '#kernel';
import type { Edit, RangeEdit, StringEdit } from './commit-request.js';

const NEWLINE = 0x0a;

/**
 * Applies `edits` to the bytes of a file (contract 4.3): string edits in order, then ranges against the text they left.
 * Bytes outside the edits stay as they are, whatever their encoding. Throws `unprocessable` with `context`; nothing is
 * applied partially.
 */
export function applyEdits(current: Buffer, edits: readonly Edit[]): Buffer {
  let text = current;
  for (const edit of edits) if (edit.kind === 'string') text = replaceOnly(text, edit);
  const ranges = edits.filter((edit) => edit.kind === 'range');
  return ranges.length === 0 ? text : replaceLines(text, ranges);
}

function replaceOnly(text: Buffer, edit: StringEdit): Buffer {
  const { oldBytes, newBytes, context } = edit;
  // The empty text is everywhere; Buffer.indexOf would call it found once in an empty file.
  const at = oldBytes.length === 0 ? 0 : text.indexOf(oldBytes);
  if (at < 0) refuse('String not found in file. Ensure old_string is unique and exact.', context);
  // Searching from the next byte, not past the match: overlapping occurrences are ambiguous too.
  if (oldBytes.length === 0 || text.indexOf(oldBytes, at + 1) >= 0) {
    refuse('old_string matches multiple locations. Provide more context to make it unique.', context);
  }
  return Buffer.concat([text.subarray(0, at), newBytes, text.subarray(at + oldBytes.length)]);
}

/** Disjoint ranges all refer to the same text, so replacing them in one pass equals working from the bottom up. */
function replaceLines(text: Buffer, edits: readonly RangeEdit[]): Buffer {
  const lineStarts = findLineStarts(text);
  const lines = lineStarts.length;
  const endOf = (line: number): number => (line < lines ? (lineStarts[line] ?? 0) - 1 : text.length);
  const ordered = [...edits].sort((one, other) => one.start - other.start);
  const kept: Buffer[] = [];
  let nextLine = 1;
  let previousEnd = 0;
  for (const edit of ordered) {
    const { start, end, content } = edit;
    const range = `[${start}, ${end}]`;
    if (start < 1 || end < start || start > lines + 1) refuse(`Invalid range ${range}. File has ${lines} lines.`);
    if (start <= previousEnd) refuse(`Range ${range} overlaps another range that ends at line ${previousEnd}.`);
    if (start > nextLine) kept.push(text.subarray(lineStarts[nextLine - 1], endOf(start - 1)));
    if (content.length > 0) kept.push(content);
    previousEnd = Math.max(start, Math.min(end, lines));
    nextLine = previousEnd + 1;
  }
  if (nextLine <= lines) kept.push(text.subarray(lineStarts[nextLine - 1]));
  return joinLines(kept);
}

/** Offset of each line; a file that ends in a newline has an empty last line (4.3 rule 4). */
function findLineStarts(text: Buffer): Uint32Array {
  let lines = 1;
  for (let at = text.indexOf(NEWLINE); at >= 0; at = text.indexOf(NEWLINE, at + 1)) lines += 1;
  const starts = new Uint32Array(lines);
  let line = 1;
  for (let at = text.indexOf(NEWLINE); at >= 0; at = text.indexOf(NEWLINE, at + 1)) starts[line++] = at + 1;
  return starts;
}

function joinLines(parts: readonly Buffer[]): Buffer {
  const newline = Buffer.from('\n');
  return Buffer.concat(parts.flatMap((part, index) => (index === 0 ? [part] : [newline, part])));
}

function refuse(text: string, context = ''): never {
  throw new DomainError('unprocessable', text, { details: { context } });
}
