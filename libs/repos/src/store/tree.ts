import { CorruptObjectError } from './git-object.js';
import type { ObjectReader } from './git-object.js';

export const MODE_TREE = 0o40000;
export const MODE_FILE = 0o100644;
export const MODE_EXECUTABLE = 0o100755;
export const MODE_SYMLINK = 0o120000;
export const MODE_SUBMODULE = 0o160000;

/** One entry of a directory. `name` holds the raw bytes as latin1, so that names that are not UTF-8 survive. */
export interface TreeEntry {
  readonly mode: number;
  readonly name: string;
  readonly oid: string;
}

/** A source of objects that also keeps directories parsed. */
export interface TreeReader extends ObjectReader {
  /** The directory `oid`, which must exist and be one. Throws CorruptObjectError. */
  tree(oid: string): Tree;
}

const SPACE = 0x20;
const SLASH = 0x2f;

/** A slash-separated API path (UTF-8 text) as the raw names of its components. */
export function pathComponents(path: string): string[] {
  if (path === '') return [];
  return Buffer.from(path, 'utf8').toString('latin1').split('/');
}

/** The API's text for raw name bytes; bytes that are not UTF-8 become replacement characters. */
export function displayName(name: string): string {
  return Buffer.from(name, 'latin1').toString('utf8');
}

export function isTreeMode(mode: number): boolean {
  return (mode & 0o170000) === MODE_TREE;
}

/** Key under which an entry sorts: directories compare as if their name ended with a slash. */
export function sortKey(name: string, mode: number): string {
  return isTreeMode(mode) ? `${name}/` : name;
}

/** Bytewise order of latin1 strings: JavaScript compares their code units, which are the bytes. */
export function compareKeys(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The stored bytes of one entry. */
export function serialiseEntry(entry: TreeEntry): Buffer {
  const head = `${entry.mode.toString(8)} ${entry.name}\0`;
  const out = Buffer.allocUnsafe(head.length + 20);
  out.write(head, 'latin1');
  out.write(entry.oid, head.length, 'hex');
  return out;
}

/**
 * A parsed directory over its stored bytes. Only entry positions are computed up front; names and ids are decoded
 * when asked for, so that one look-up in a directory of thousands stays cheap.
 */
export class Tree {
  /** Start of each entry, then the total length. */
  private readonly starts: Uint32Array;
  /** Where each entry's name begins. */
  private readonly nameStarts: Uint32Array;
  readonly count: number;
  private order: boolean | undefined;

  /** Throws CorruptObjectError when the bytes are not a sequence of entries. */
  constructor(readonly raw: Buffer) {
    const capacity = Math.floor(raw.length / 23) + 1;
    const starts = new Uint32Array(capacity + 1);
    const nameStarts = new Uint32Array(capacity);
    let count = 0;
    let at = 0;
    while (at < raw.length) {
      starts[count] = at;
      let digits = 0;
      for (; raw[at] !== SPACE; at += 1, digits += 1) {
        const byte = raw[at];
        if (byte === undefined || byte < 0x30 || byte > 0x37 || digits > 6) throw new CorruptObjectError('tree mode');
      }
      if (digits === 0) throw new CorruptObjectError('tree mode');
      nameStarts[count] = at += 1;
      const nul = raw.indexOf(0, at);
      if (nul <= at || nul + 21 > raw.length) throw new CorruptObjectError('tree entry');
      at = nul + 21;
      count += 1;
    }
    starts[count] = raw.length;
    this.starts = starts;
    this.nameStarts = nameStarts;
    this.count = count;
  }

  entry(i: number): TreeEntry {
    return { mode: this.mode(i), name: this.name(i), oid: this.oid(i) };
  }

  *entries(): Generator<TreeEntry> {
    for (let i = 0; i < this.count; i += 1) yield this.entry(i);
  }

  mode(i: number): number {
    return parseInt(this.modeText(i), 8);
  }

  /** The mode exactly as stored, e.g. `40000`. */
  modeText(i: number): string {
    return this.raw.toString('latin1', this.starts[i], (this.nameStarts[i] as number) - 1);
  }

  name(i: number): string {
    return this.raw.toString('latin1', this.nameStarts[i], this.nameEnd(i));
  }

  nameBytes(i: number): Buffer {
    return this.raw.subarray(this.nameStarts[i], this.nameEnd(i));
  }

  oid(i: number): string {
    const end = this.starts[i + 1] as number;
    return this.raw.toString('hex', end - 20, end);
  }

  /** First byte of entry `i`, or the total length for `i === count`. */
  startOf(i: number): number {
    return this.starts[i] as number;
  }

  /** Position of the entry called `name` (raw bytes as latin1), or -1. */
  find(name: string): number {
    if (!this.isSorted()) return this.scan(name);
    // A file and a directory of one name sort at different places.
    const file = this.lowerBound(name);
    if (file < this.count && this.name(file) === name) return file;
    const folder = this.lowerBound(`${name}/`);
    return folder < this.count && this.name(folder) === name ? folder : -1;
  }

  /** Position of the first entry whose sort key is not below `key`; meaningful when the tree is sorted. */
  lowerBound(key: string): number {
    const target = Buffer.from(key, 'latin1');
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.compareAt(middle, target) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** False for the rare tree written by a tool that did not know git's order; checked once. */
  isSorted(): boolean {
    if (this.order === undefined) {
      this.order = true;
      for (let i = 0; i + 1 < this.count && this.order; i += 1) this.order = this.isAscending(i);
    }
    return this.order;
  }

  /** Order of entry `i`'s sort key relative to `target`. */
  private compareAt(i: number, target: Buffer): number {
    const from = this.nameStarts[i] as number;
    const length = this.nameEnd(i) - from;
    const common = Math.min(length, target.length);
    const order = this.raw.compare(target, 0, common, from, from + common);
    if (order !== 0) return order;
    if (length > target.length) return 1;
    const slash = this.isFolder(i) ? SLASH : 0;
    if (length === target.length) return slash;
    // The name is a proper prefix: what follows it is its slash, or nothing.
    const next = target[length] as number;
    if (slash !== next) return slash < next ? -1 : 1;
    return length + 1 - target.length;
  }

  private isAscending(i: number): boolean {
    const left = this.nameStarts[i] as number;
    const right = this.nameStarts[i + 1] as number;
    const leftLength = this.nameEnd(i) - left;
    const rightLength = this.nameEnd(i + 1) - right;
    const common = Math.min(leftLength, rightLength);
    const order = this.raw.compare(this.raw, right, right + common, left, left + common);
    if (order !== 0) return order < 0;
    // An ended name is followed by its slash or by nothing; two equal names are never in order.
    const l = leftLength > common ? (this.raw[left + common] as number) : this.isFolder(i) ? SLASH : 0;
    const r = rightLength > common ? (this.raw[right + common] as number) : this.isFolder(i + 1) ? SLASH : 0;
    return l !== r ? l < r : rightLength > leftLength + 1;
  }

  private nameEnd(i: number): number {
    return (this.starts[i + 1] as number) - 21;
  }

  private isFolder(i: number): boolean {
    // Stored as `40000` or, by old tools, `040000`; no other mode has its leading digit.
    const at = this.starts[i] as number;
    const first = this.raw[at] as number;
    return first === 0x34 || (first === 0x30 && isTreeMode(this.mode(i)));
  }

  private scan(name: string): number {
    for (let i = 0; i < this.count; i += 1) if (this.name(i) === name) return i;
    return -1;
  }
}
