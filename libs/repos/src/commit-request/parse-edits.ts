import type { Edit } from './commit-request.js';
import { assertKnownMembers, assertWellFormed, invalid, isJsonObject, type JsonObject } from './json-members.js';

const MEMBERS = new Set(['old_string', 'new_string', 'range', 'content']);
/** Characters of the searched text that error bodies repeat (contract 4.1). */
const CONTEXT_CHARS = 80;

/** The `edits` of one `edit` change. An edit with a range is a range edit even when it has `old_string` (4.3 rule 1). */
export function parseEdits(edits: unknown, path: string, where: string): Edit[] {
  if (!Array.isArray(edits) || edits.length === 0) {
    throw invalid(`edits array required for action "edit": ${path}`, 'edits');
  }
  return edits.map((edit: unknown, index) => parseEdit(edit, path, `${where}.edits[${index}]`));
}

function parseEdit(edit: unknown, path: string, where: string): Edit {
  if (!isJsonObject(edit)) throw invalid(`${where} must be an object`, where);
  assertKnownMembers(edit, MEMBERS, where);
  const isRange = edit.range !== undefined && edit.range !== null;
  if (!isRange && (edit.old_string === undefined || edit.old_string === null)) {
    throw invalid(`Each edit must have either "range" or "old_string": ${path}`, 'edits');
  }
  if (isRange) {
    const [start, end] = parseRange(edit.range, path);
    return { kind: 'range', start, end, content: Buffer.from(textMember(edit, 'content', path)) };
  }
  const oldString = textMember(edit, 'old_string', path);
  const newBytes = Buffer.from(textMember(edit, 'new_string', path));
  const context = oldString.slice(0, CONTEXT_CHARS).toWellFormed();
  return { kind: 'string', oldBytes: Buffer.from(oldString), newBytes, context };
}

function parseRange(range: unknown, path: string): [number, number] {
  const [start, end, ...rest]: unknown[] = Array.isArray(range) ? range : [];
  if (!isLine(start) || !isLine(end) || rest.length > 0) {
    throw invalid(`range must be [startLine, endLine] with integers: ${path}`, 'range');
  }
  return [start, end];
}

function isLine(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

/** A missing text is the empty one: it deletes what the edit selects. An explicit null is a mistake, not a deletion. */
function textMember(edit: JsonObject, member: string, path: string): string {
  const text = edit[member];
  if (text === undefined) return '';
  if (typeof text !== 'string') throw invalid(`${member} must be a string: ${path}`, member);
  assertWellFormed(text, member, path);
  return text;
}
