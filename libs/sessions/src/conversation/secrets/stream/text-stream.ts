import { isUtf8 } from 'node:buffer';
import type { Range } from '../linear/linear-pattern.js';
import type { Finding } from '../pattern.js';
import type { PatternSet } from '../pattern-set.js';
import { replaceMatches } from '../redact.js';
import { findingOf, type Match, matchesIn } from '../scan.js';
import { insideLiterals, LiteralState } from './literals.js';

/** Takes bytes as they come and gives them back without their secrets; what it holds back is bounded. */
export interface Screen {
  push(chunk: Buffer): Buffer;
  end(): Buffer;
}

export type Note = (finding: Finding) => void;

/** Text is searched in windows of this many bytes, of which the end is searched again with what follows it. */
const WINDOW_BYTES = 512 * 1024;
/** Longer than the longest secret, a private key: one that a window cuts is whole in the next. */
const OVERLAP = 24 * 1024;
const NOTHING = Buffer.alloc(0);

export interface TextStreamOptions {
  readonly set: PatternSet;
  readonly note: Note;
  /** Number of the first line. */
  readonly line?: number;
  /** JSON too large to be parsed: only what is inside its literals is replaced, so that it stays JSON. */
  readonly isJson?: boolean;
}

/** Plain text of any length. Windows without a finding come back as the bytes they were, whatever their encoding. */
export class TextStream implements Screen {
  private pieces: Buffer[] = [];
  private held = 0;
  private line: number;
  private readonly literals: LiteralState | null;

  constructor(private readonly options: TextStreamOptions) {
    this.line = options.line ?? 1;
    this.literals = options.isJson === true ? new LiteralState() : null;
  }

  push(chunk: Buffer): Buffer {
    this.pieces.push(chunk);
    this.held += chunk.length;
    return this.held < WINDOW_BYTES ? NOTHING : this.release(false);
  }

  end(): Buffer {
    return this.held === 0 ? NOTHING : this.release(true);
  }

  private release(isLast: boolean): Buffer {
    const { set, note } = this.options;
    const bytes = Buffer.concat(this.pieces);
    const { text, encoding } = decoded(isLast ? bytes : bytes.subarray(0, endOfCharacters(bytes)));
    const matches = matchesIn(text, set);
    const cut = isLast ? text.length : placeToCut(text, matches);
    const part = text.slice(0, cut);
    const whole = matches.filter(({ start }) => start < cut);
    const found = this.literals === null ? whole : insideLiterals(part, whole, this.literals.startsInside);
    for (const match of found) note({ ...findingOf(match), line: match.line + this.line - 1 });
    this.literals?.pass(part);
    this.line += part.split('\n').length - 1;
    const done = Buffer.byteLength(part, encoding);
    this.pieces = [bytes.subarray(done)];
    this.held = bytes.length - done;
    return found.length === 0 ? bytes.subarray(0, done) : Buffer.from(replaceMatches(part, found), encoding);
  }
}

/** Bytes as text that gives the same bytes back; what is no UTF-8 is read byte by byte. */
export function decoded(bytes: Buffer): { readonly text: string; readonly encoding: 'utf8' | 'latin1' } {
  const encoding = isUtf8(bytes) ? 'utf8' : 'latin1';
  return { text: bytes.toString(encoding), encoding };
}

/** Where the last whole character ends: a chunk may end inside one. */
function endOfCharacters(bytes: Buffer): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte >= 0xc0) return bytes.length - back;
    if (byte < 0x80) return bytes.length;
  }
  return bytes.length;
}

/** Between lines if there are any, else between words, and in no match. */
function placeToCut(text: string, matches: readonly Match[]): number {
  const limit = text.length - OVERLAP;
  const lineEnd = text.lastIndexOf('\n', limit) + 1;
  const wordEnd = text.lastIndexOf(' ', limit) + 1;
  const wanted = lineEnd || wordEnd || withoutSplit(text, limit);
  const span = spanAround(wanted, matches);
  if (span === null) return wanted;
  return span.start > 0 ? span.start : span.end;
}

/** What overlapping matches, ordered by their start, cover around a place. */
function spanAround(place: number, matches: readonly Match[]): Range | null {
  let span = { start: 0, end: 0 };
  for (const { start, end } of matches) {
    if (start < span.end) span = { start: span.start, end: Math.max(span.end, end) };
    else if (start >= place) break;
    else span = { start, end };
  }
  return span.start < place && span.end > place ? span : null;
}

/** Not inside an escape sequence of JSON, nor between the halves of a character. */
function withoutSplit(text: string, limit: number): number {
  const isSafe = (at: number): boolean => /^[A-Za-z0-9+/=,]{2}/.test(text.slice(at, at + 2)) && !isEscaped(text, at);
  for (let at = limit; at > limit - 100 && at > 0; at -= 1) if (isSafe(at)) return at;
  return /^[\udc00-\udfff]/.test(text.slice(limit, limit + 1)) ? limit - 1 : limit;
}

const isEscaped = (text: string, at: number): boolean => /\\(?:u[0-9A-Fa-f]{0,3})?$/.test(text.slice(at - 6, at));
