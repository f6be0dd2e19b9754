import { isAscii, isUtf8 } from 'node:buffer';
import { DomainError } from '#kernel';

/** Longest path, in UTF-16 units and in UTF-8 bytes. */
const MAX_PATH = 4096;
/** Longest name any common file system can hold, in bytes. */
const MAX_COMPONENT_BYTES = 255;

/** Code points HFS+ drops from names, so that `.g<ZWNJ>it` opens `.git`. */
const HFS_IGNORABLE = new Set([
  0x200c, 0x200d, 0x200e, 0x200f, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x206a, 0x206b, 0x206c, 0x206d, 0x206e,
  0x206f, 0xfeff,
]);

/** What NTFS opens as `.git`: 8.3 short names, trailing dots and spaces, alternate streams. */
const NTFS_DOT_GIT = /^(?:\.git|git~[0-9]+)[ .]*(?::.*)?$/is;

interface ControlFile {
  readonly name: string;
  /** First six characters of its 8.3 name, and the hash in its fall-back one. */
  readonly short: string;
  readonly hashed: string;
  readonly isFileOnly: boolean;
}

/** Files git reads from the work tree by themselves; as a link they would make it read anything on the machine. */
const CONTROL_FILES: readonly ControlFile[] = [
  { name: '.gitmodules', short: 'gitmod', hashed: 'gi7eba', isFileOnly: true },
  { name: '.gitattributes', short: 'gitatt', hashed: 'gi7d29', isFileOnly: true },
  { name: '.gitignore', short: 'gitign', hashed: 'gi250a', isFileOnly: false },
];

/**
 * The path of a file inside a repository, as every door to it accepts one (contract 4.5, plus names that a checkout
 * would turn into a `.git` folder). Throws `invalid_input` naming the rule; `field` is the request member at fault.
 */
export function assertFilePath(path: unknown, field = 'path'): string {
  const refuse = (text: string): never => {
    throw new DomainError('invalid_input', text, { field });
  };
  if (typeof path !== 'string' || path === '') return refuse('File path is required');
  const shown = path.length > MAX_PATH ? `${path.slice(0, 100)}...` : path;
  if (path.includes('\0')) return refuse(`File path contains null byte: ${shown}`);
  if (path.startsWith('/')) return refuse(`File path must be relative: ${shown}`);
  if (path.includes('//') || path.endsWith('/')) return refuse(`File path has empty segment: ${shown}`);
  if (/(?:^|\/)\.\.?(?:\/|$)/.test(path)) return refuse(`File path contains traversal: ${shown}`);
  if (path.length > MAX_PATH) return refuse(`File path exceeds ${MAX_PATH} char limit: ${shown}`);
  if (!path.isWellFormed()) return refuse(`File path contains invalid unicode: ${path.toWellFormed()}`);
  if (Buffer.byteLength(path) > MAX_PATH)
    return refuse(`File path exceeds ${MAX_PATH} byte limit: ${path.slice(0, 100)}...`);
  const reason = forbiddenIn(path.split('/').map((component) => Buffer.from(component)));
  if (reason !== null) return refuse(`File path contains ${reason}: ${path}`);
  return path;
}

function forbiddenIn(components: readonly Buffer[]): string | null {
  for (const component of components) {
    const reason = forbiddenComponent(component);
    if (reason !== null) return reason;
  }
  // fsck reports a directory called .gitmodules or .gitattributes as an error: strict clients refuse such a clone.
  return components.slice(0, -1).some(isFileOnlyName) ? 'forbidden component' : null;
}

/**
 * Why one name of a tree may not exist here, or null when it may. Works on raw bytes: names need not be UTF-8, and
 * everything `git fsck --strict` reports as hasDot, hasDotdot, hasDotgit or emptyName is refused.
 */
export function forbiddenComponent(name: Buffer): string | null {
  if (name.length === 0) return 'empty segment';
  if (name.length > MAX_COMPONENT_BYTES) return `component longer than ${MAX_COMPONENT_BYTES} bytes`;
  for (const byte of name) {
    if (byte === 0x5c) return 'backslash';
    if (byte === 0x2f) return 'slash';
    if (byte < 0x20 || byte === 0x7f) return 'control character';
  }
  const latin = name.toString('latin1');
  if (latin === '.' || latin === '..') return 'traversal';
  if (NTFS_DOT_GIT.test(latin)) return 'forbidden component';
  // Plain ASCII hides nothing from the pattern above, which also matches `.git` itself.
  return isAscii(name) || hfsName(name) !== '.git' ? null : 'forbidden component';
}

/**
 * Whether `name` with the tree mode `mode` (e.g. 0o120000) is one of git's own control files as a symbolic link, in any
 * spelling HFS+ or NTFS would open.
 */
export function isForbiddenSymlink(name: Buffer, mode: number): boolean {
  return (mode & 0o170000) === 0o120000 && CONTROL_FILES.some((file) => isSpellingOf(name, file));
}

function isFileOnlyName(name: Buffer): boolean {
  return CONTROL_FILES.some((file) => file.isFileOnly && isSpellingOf(name, file));
}

function isSpellingOf(name: Buffer, file: ControlFile): boolean {
  const latin = name.toString('latin1').toLowerCase();
  // Every spelling has a dot, a tilde or bytes beyond ASCII: most names need no closer look.
  const isPlain = !latin.startsWith('.') && !latin.includes('~') && isAscii(name);
  return !isPlain && (isNtfsNameOf(latin, file) || hfsName(name) === file.name);
}

function isNtfsNameOf(latin: string, file: ControlFile): boolean {
  const rest = ntfsRest(latin, file);
  return rest !== null && /^[ .]*(?::.*)?$/s.test(rest);
}

/** What follows the file's long name, regular short name (`gitmod~1`) or fall-back short name (`gi7eba~1`). */
function ntfsRest(latin: string, file: ControlFile): string | null {
  if (latin.startsWith(file.name)) return latin.slice(file.name.length);
  if (new RegExp(`^${file.short}~[1-4]`).test(latin)) return latin.slice(8);
  const fallback = /^([a-z0-9]{0,6})~[1-9][0-9]*/.exec(latin.slice(0, 8));
  const isFallback = fallback !== null && fallback[0].length === 8 && file.hashed.startsWith(fallback[1] ?? '');
  return isFallback ? latin.slice(8) : null;
}

/**
 * The ASCII lower-case name HFS+ would see. Like git, stops at the first malformed sequence: an attacker must not hide
 * a name behind a bad byte.
 */
function hfsName(name: Buffer): string {
  let seen = '';
  for (let at = 0; at < name.length;) {
    const length = utf8SequenceLength(name, at);
    if (length === 0) break;
    const point = name.toString('utf8', at, at + length).codePointAt(0) ?? 0;
    if (!HFS_IGNORABLE.has(point)) seen += String.fromCodePoint(point);
    at += length;
  }
  return seen.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

/** Bytes of the well-formed UTF-8 sequence at `at`; 0 when malformed. U+FFFE and U+FFFF count as malformed. */
function utf8SequenceLength(bytes: Buffer, at: number): number {
  const first = bytes[at] ?? 0;
  const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  const sequence = bytes.subarray(at, at + length);
  const isNonCharacter = length === 3 && first === 0xef && sequence[1] === 0xbf && (sequence[2] ?? 0) >= 0xbe;
  return isUtf8(sequence) && sequence.length === length && !isNonCharacter ? length : 0;
}
