import { assertFilePath, isForbiddenSymlink } from '../path-rules.js';
import type { Change, CommitLimits, FileMode } from './commit-request.js';
import { FILE_MODES } from './commit-request.js';
import { assertFileSize, decodeBase64 } from './file-content.js';
import { assertKnownMembers, assertWellFormed, invalid, isJsonObject, type JsonObject } from './json-members.js';
import { parseEdits } from './parse-edits.js';

const MEMBERS = new Set([
  ...['path', 'action', 'content', 'encoding', 'mode', 'edits', 'new_path', 'edit_snippet', 'instruction'],
]);
const ACTIONS = ['create', 'edit', 'delete', 'rename', 'lazy_edit'] as const;
const MAX_SNIPPET_CHARS = 204_800;
/** PATH_MAX less its NUL: no system can create a longer link. */
const MAX_LINK_BYTES = 4095;

/** One entry of `changes` (contract 4.1); `index` is its place in the array. Null members count as absent. */
export function parseChange(entry: unknown, index: number, limits: CommitLimits): Change {
  const where = `changes[${index}]`;
  if (!isJsonObject(entry)) throw invalid(`${where} must be an object`, where);
  const path = assertFilePath(entry.path);
  assertKnownMembers(entry, MEMBERS, where);
  const action = parseAction(entry.action ?? 'create', path);
  const mode = parseMode(entry.mode, action, path);
  switch (action) {
    case 'create':
      return { action, path, content: parseContent(entry, path, mode, limits), mode };
    case 'edit':
      return { action, path, edits: parseEdits(entry.edits, path, where), mode };
    case 'delete':
      return { action, path };
    case 'rename':
      return { action, path, newPath: parseNewPath(entry.new_path, path) };
    case 'lazy_edit':
      return { action, path, ...parseLazyEdit(entry, path) };
  }
}

function parseAction(action: unknown, path: string): Change['action'] {
  const known = ACTIONS.find((one) => one === action);
  if (known !== undefined) return known;
  const shown = typeof action === 'string' ? `"${action.slice(0, 100).toWellFormed()}"` : 'of a type other than string';
  throw invalid(`Unknown action ${shown}: ${path}`, 'action');
}

function parseMode(mode: unknown, action: Change['action'], path: string): FileMode | null {
  if (mode === undefined || mode === null) return null;
  const known = FILE_MODES.find((one) => one === mode);
  if (known === undefined) throw invalid(`mode must be one of ${FILE_MODES.join(', ')}: ${path}`, 'mode');
  const isAllowed = action === 'create' || (action === 'edit' && known !== '120000');
  if (!isAllowed) throw invalid(`mode ${known} is not allowed for action "${action}": ${path}`, 'mode');
  return known;
}

function parseContent(entry: JsonObject, path: string, mode: FileMode | null, limits: CommitLimits): Buffer {
  const { content } = entry;
  if (content === undefined || content === null) {
    throw invalid(`content is required for action "create": ${path}`, 'content');
  }
  if (typeof content !== 'string') throw invalid(`content must be a string: ${path}`, 'content');
  const bytes = decodeContent(content, entry.encoding ?? 'utf-8', path, limits);
  if (mode === '120000') assertLink(bytes, path);
  return bytes;
}

function decodeContent(content: string, encoding: unknown, path: string, limits: CommitLimits): Buffer {
  if (encoding === 'base64') {
    const bytes = decodeBase64(content);
    if (bytes === null) throw invalid(`Invalid base64 content for file: ${path}`, 'content');
    assertFileSize(bytes.length, path, limits.maxFileBytes);
    return bytes;
  }
  if (encoding !== 'utf-8') throw invalid(`encoding must be "utf-8" or "base64": ${path}`, 'encoding');
  assertWellFormed(content, 'content', path);
  assertFileSize(Buffer.byteLength(content), path, limits.maxFileBytes);
  return Buffer.from(content);
}

function assertLink(target: Buffer, path: string): void {
  if (target.length === 0 || target.length > MAX_LINK_BYTES || target.includes(0)) {
    throw invalid(`Symbolic link target must be 1 to ${MAX_LINK_BYTES} bytes without null: ${path}`, 'content');
  }
  if (isForbiddenSymlink(Buffer.from(path.slice(path.lastIndexOf('/') + 1)), 0o120000)) {
    throw invalid(`File path may not be a symbolic link: ${path}`, 'path');
  }
}

function parseNewPath(newPath: unknown, path: string): string {
  if (newPath === undefined || newPath === null) {
    throw invalid(`new_path is required for action "rename": ${path}`, 'new_path');
  }
  return assertFilePath(newPath, 'new_path');
}

function parseLazyEdit(entry: JsonObject, path: string): { snippet: string; instruction: string | null } {
  const { edit_snippet: snippet, instruction = null } = entry;
  if (typeof snippet !== 'string' || snippet === '') {
    throw invalid(`edit_snippet required for action "lazy_edit": ${path}`, 'edit_snippet');
  }
  if (snippet.length > MAX_SNIPPET_CHARS) throw invalid(`edit_snippet exceeds 200 KB: ${path}`, 'edit_snippet');
  assertWellFormed(snippet, 'edit_snippet', path);
  if (instruction === null) return { snippet, instruction };
  if (typeof instruction !== 'string' || /[\n\r]/.test(instruction)) {
    throw invalid(`instruction must be a single-line string: ${path}`, 'instruction');
  }
  assertWellFormed(instruction, 'instruction', path);
  return { snippet, instruction };
}
