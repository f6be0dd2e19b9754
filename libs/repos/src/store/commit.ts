import { DomainError } from '#kernel';
import { CorruptObjectError } from './git-object.js';
import type { ObjectType } from './git-object.js';
import { isOid } from './oid.js';

/** Who and when; `timestamp` in Unix seconds, `timezone` as `+hhmm`. */
export interface Signature {
  readonly name: string;
  readonly email: string;
  readonly timestamp: number;
  readonly timezone: string;
}

export interface CommitContent {
  readonly tree: string;
  readonly parents: readonly string[];
  readonly author: Signature;
  readonly committer: Signature;
  readonly message: string;
}

const SIGNATURE = /^(.*?)\s*<([^<>]*)>\s+(-?\d{1,15})(?:\s+([+-]\d{4}))?$/;
const UTC = '+0000';
const LINE_FEED = 0x0a;

/**
 * Reads a commit object leniently: only `tree` and `parent` lines must make sense. Text is UTF-8 unless the commit
 * names another encoding this platform knows.
 */
export function parseCommit(data: Buffer): CommitContent {
  const blank = data.indexOf('\n\n');
  const headerEnd = blank < 0 ? data.length : blank;
  const headers = headerLines(data.subarray(0, headerEnd));
  const all = (key: string): Buffer[] => headers.filter(([name]) => name === key).map(([, value]) => value);
  const decode = decoderFor(all('encoding')[0]);
  const [author, committer] = ['author', 'committer'].map((key) => all(key).map(decode).map(parseSignature)[0]);
  const tree = all('tree')[0]?.toString('latin1') ?? '';
  const parents = all('parent').map((value) => value.toString('latin1'));
  if (!isOid(tree) || !parents.every(isOid)) throw new CorruptObjectError('commit header');
  const nobody: Signature = { name: '', email: '', timestamp: 0, timezone: UTC };
  return {
    tree,
    parents,
    author: author ?? nobody,
    committer: committer ?? author ?? nobody,
    message: decode(data.subarray(Math.min(data.length, headerEnd + 2))),
  };
}

/** `name <email> seconds zone`; a line of another shape becomes the name, without e-mail and time (contract §4.8). */
export function parseSignature(line: string): Signature {
  const match = SIGNATURE.exec(line);
  if (match === null) return { name: line, email: '', timestamp: 0, timezone: UTC };
  return { name: match[1] ?? '', email: match[2] ?? '', timestamp: Number(match[3]), timezone: match[4] ?? UTC };
}

/**
 * Serialises a commit. Characters that would break a header line are removed from names and e-mails; the message is
 * kept byte for byte. Throws invalid_input for a NUL in the message, which git cannot represent.
 */
export function formatCommit(commit: CommitContent): Buffer {
  if (commit.message.includes('\0')) {
    throw new DomainError('invalid_input', 'Commit message contains null byte', { field: 'message' });
  }
  const lines = [`tree ${commit.tree}`, ...commit.parents.map((parent) => `parent ${parent}`)];
  lines.push(`author ${formatSignature(commit.author)}`, `committer ${formatSignature(commit.committer)}`);
  return Buffer.from(`${lines.join('\n')}\n\n${commit.message}`, 'utf8');
}

function formatSignature({ name, email, timestamp, timezone }: Signature): string {
  const safeName = cleaned(name);
  return `${safeName === '' ? '' : `${safeName} `}<${cleaned(email)}> ${timestamp} ${timezone}`;
}

function cleaned(text: string): string {
  return text.replace(/[<>\n\r\0]/g, '').trim();
}

export interface TagTarget {
  readonly oid: string;
  readonly type: ObjectType;
}

/** What an annotated tag points to. */
export function parseTagTarget(data: Buffer): TagTarget {
  const match = /^object ([0-9a-f]{40})\ntype (commit|tree|blob|tag)\n/.exec(data.toString('latin1', 0, 80));
  if (match === null) throw new CorruptObjectError('tag header');
  return { oid: match[1] as string, type: match[2] as ObjectType };
}

/** Key and value of each header; continuation lines (signatures) are dropped, nothing served needs them. */
function headerLines(headers: Buffer): [string, Buffer][] {
  const lines: [string, Buffer][] = [];
  for (let at = 0; at < headers.length;) {
    const found = headers.indexOf(LINE_FEED, at);
    const end = found < 0 ? headers.length : found;
    const space = headers.indexOf(0x20, at);
    if (space > at && space < end) {
      lines.push([headers.toString('latin1', at, space), headers.subarray(space + 1, end)]);
    }
    at = end + 1;
  }
  return lines;
}

function decoderFor(encoding: Buffer | undefined): (bytes: Buffer) => string {
  const label = encoding?.toString('latin1').trim() ?? 'utf-8';
  if (/^utf-?8$/i.test(label)) return (bytes) => bytes.toString('utf8');
  try {
    const decoder = new TextDecoder(label);
    return (bytes) => decoder.decode(bytes);
  } catch (error) {
    // An encoding nobody knows: show the bytes as UTF-8, as git does.
    if ((error as NodeJS.ErrnoException).code === 'ERR_ENCODING_NOT_SUPPORTED')
      return (bytes) => bytes.toString('utf8');
    throw error;
  }
}
