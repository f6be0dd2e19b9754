import { isUtf8 } from 'node:buffer';
import { DomainError } from '#kernel';
import { isValidBranchName } from '../ref-names.js';
import type { Change, CommitLimits, CommitRequest, Identity } from './commit-request.js';
import { DEFAULT_AUTHOR, lazyEditUnavailable } from './commit-request.js';
import { invalid, isJsonObject, type JsonObject } from './json-members.js';
import { parseChange } from './parse-change.js';

const MAX_MESSAGE_BYTES = 51_200;
const MAX_CHANGES = 1000;
const MAX_LAZY_EDITS = 50;
const MAX_IDENTITY_BYTES = 1000;
/** Edits are applied one by one to files of up to the size limit; this bounds the work one request can cause. */
const MAX_EDITS = 10_000;

/** Names git itself calls empty: nothing but blanks and punctuation that breaks its header. */
const ONLY_CRUD = /^[\s.,:;<>"'\\]*$/;

/**
 * Parses and validates the body of `POST R/commits` (contract 4.1): the first failure in the contract's order wins.
 * Throws `invalid_input` or `payload_too_large`, never anything else. Runs in a worker: a body may hold 25 MiB.
 */
export function parseCommitRequest(body: Uint8Array, limits: CommitLimits): CommitRequest {
  const json = parseJson(body);
  const branch = parseBranch(json.branch);
  const message = parseMessage(json.message);
  const author = parseAuthor(json.author);
  const entries = parseChangeList(json.changes);
  const parentSha = parseParent(json.parent_sha);
  const changes: Change[] = [];
  let edits = 0;
  for (const [index, entry] of entries.entries()) {
    const change = parseChange(entry, index, limits);
    if (change.action === 'edit') edits += change.edits.length;
    if (edits > MAX_EDITS) throw invalid(`Maximum ${MAX_EDITS} edits per commit`, 'changes');
    changes.push(change);
  }
  const lazyEdits = changes.filter((change) => change.action === 'lazy_edit').length;
  return { branch, message, author, parentSha, changes, lazyEdits };
}

function parseJson(body: Uint8Array): JsonObject {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const hasBom = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  if (!isUtf8(bytes)) throw new DomainError('invalid_input', 'Invalid JSON body');
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8', hasBom ? 3 : 0));
  } catch (cause) {
    throw new DomainError('invalid_input', 'Invalid JSON body', { cause });
  }
  if (!isJsonObject(value)) throw new DomainError('invalid_input', 'Invalid JSON body');
  return value;
}

function parseBranch(branch: unknown): string {
  if (typeof branch !== 'string' || branch === '') throw invalid('branch is required', 'branch');
  // Valid for git, but always a mistake for the short name: it would become refs/heads/refs/heads/main.
  const isFullName = branch.startsWith('refs/heads/');
  if (isFullName || !isValidBranchName(branch)) throw invalid('Invalid branch name', 'branch');
  return branch;
}

function parseMessage(message: unknown): string {
  if (typeof message !== 'string' || message === '') throw invalid('message is required', 'message');
  if (message.length > MAX_MESSAGE_BYTES || Buffer.byteLength(message) > MAX_MESSAGE_BYTES) {
    throw invalid('Commit message exceeds 50 KB limit', 'message');
  }
  if (message.includes('\0')) throw invalid('message must not contain null bytes', 'message');
  if (!message.isWellFormed()) throw invalid('message contains invalid unicode', 'message');
  return message;
}

function parseAuthor(author: unknown): Identity {
  if (author === undefined || author === null) return DEFAULT_AUTHOR;
  const name = isJsonObject(author) ? author.name : undefined;
  const email = isJsonObject(author) ? author.email : undefined;
  const isComplete = typeof name === 'string' && typeof email === 'string' && !isBlank(name) && !isBlank(email);
  if (!isComplete) throw invalid('author.name and author.email are required', 'author');
  for (const part of [name, email]) {
    if (Buffer.byteLength(part) > MAX_IDENTITY_BYTES) {
      throw invalid(`author.name and author.email must not exceed ${MAX_IDENTITY_BYTES} bytes`, 'author');
    }
    if (/[\n\r\0<>]/.test(part)) {
      throw invalid('author.name and author.email must not contain line breaks, null bytes, "<" or ">"', 'author');
    }
    if (!part.isWellFormed()) throw invalid('author.name and author.email contain invalid unicode', 'author');
  }
  if (ONLY_CRUD.test(name)) throw invalid('author.name consists only of disallowed characters', 'author');
  return { name: name.trim(), email: email.trim() };
}

function isBlank(text: string): boolean {
  return text.trim() === '';
}

function parseChangeList(changes: unknown): readonly unknown[] {
  if (!Array.isArray(changes) || changes.length === 0) {
    throw invalid('changes array is required and must not be empty', 'changes');
  }
  if (changes.length > MAX_CHANGES) throw invalid(`Maximum ${MAX_CHANGES} file changes per commit`, 'changes');
  return changes;
}

function parseParent(parentSha: unknown): string | null {
  if (parentSha === undefined || parentSha === null || parentSha === '') return null;
  if (typeof parentSha !== 'string') throw invalid('parent_sha must be a string', 'parent_sha');
  return parentSha;
}

export interface LazyEditTerms {
  readonly paidPlan: boolean;
  /** Whether this deployment has a model that merges lazy edits. */
  readonly configured: boolean;
  readonly upgradeUrl: string;
}

/**
 * Refuses a valid request whose lazy edits cannot be served: `payment_required`, `invalid_input` above 50 of them,
 * `unavailable`, in this order (contract 4.1). Requests without lazy edits always pass.
 */
export function assertLazyEditsAllowed(request: Pick<CommitRequest, 'lazyEdits'>, terms: LazyEditTerms): void {
  if (request.lazyEdits === 0) return;
  if (!terms.paidPlan) {
    const details = { upgrade_url: terms.upgradeUrl };
    throw new DomainError('payment_required', 'lazy_edit requires a paid plan', { details });
  }
  if (request.lazyEdits > MAX_LAZY_EDITS) {
    const text = `Maximum ${MAX_LAZY_EDITS} lazy_edit changes per commit`;
    throw new DomainError('invalid_input', text, { field: 'changes' });
  }
  if (!terms.configured) throw lazyEditUnavailable();
}
