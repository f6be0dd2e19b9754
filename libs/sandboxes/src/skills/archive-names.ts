import { archiveRefused, SKILL_FILE } from './skill.js';

/** Directories above a file. */
const MAX_DEPTH = 32;
const MAX_PATH_BYTES = 1_024;
const MAX_NAME_BYTES = 255;
const UNPRINTABLE = /[\u0000-\u001f\u007f\\]/;

/** The name of an archive's entry, part by part. Errors: `bad_request` for any that would not stay where it is put. */
export function toEntryPath(name: string): string[] {
  const shown = name.slice(0, 200);
  if (UNPRINTABLE.test(name)) throw archiveRefused(`'${shown}' contains a control character or back-slash`);
  if (name.startsWith('/') || /^[A-Za-z]:/.test(name)) throw archiveRefused(`'${shown}' is an absolute name`);
  const path = name.replace(/\/$/, '').split('/');
  if (path.includes('..')) throw archiveRefused(`'${shown}' leads out of the archive`);
  if (path.some((part) => part === '' || part === '.')) throw archiveRefused(`'${shown}' is no plain path`);
  const isLong =
    Buffer.byteLength(name) > MAX_PATH_BYTES || path.some((part) => Buffer.byteLength(part) > MAX_NAME_BYTES);
  if (isLong || path.length > MAX_DEPTH) throw archiveRefused(`'${shown}' is too long or too deep a path`);
  return path;
}

/** The names of an archive: no two that mean the same, none below a file. */
export class ArchiveNames {
  private readonly kinds = new Map<string, 'file' | 'directory'>();
  private readonly tops = new Set<string>();

  /** Errors: `bad_request` for one that cannot be beside those before it. */
  add(path: readonly string[], kind: 'file' | 'directory'): void {
    const name = path.join('/');
    for (let depth = 1; depth < path.length; depth += 1) {
      const above = path.slice(0, depth).join('/');
      if (this.kinds.get(above) === 'file') throw archiveRefused(`'${above}' is a file and a directory`);
      this.kinds.set(above, 'directory');
    }
    const before = this.kinds.get(name);
    if (before !== undefined && (kind === 'file' || before === 'file'))
      throw archiveRefused(`'${name}' is in the archive twice`);
    this.kinds.set(name, kind);
    this.tops.add(path[0]!);
  }

  /** How many names each path begins with that are not the skill's: of one folder around all. Errors: `bad_request`. */
  wrapping(): 0 | 1 {
    if (this.kinds.get(SKILL_FILE) === 'file') return 0;
    const [top] = this.tops;
    if (this.tops.size === 1 && this.kinds.get(`${top}/${SKILL_FILE}`) === 'file') return 1;
    throw archiveRefused(`The archive has no ${SKILL_FILE} at its root, nor in one folder around everything`);
  }
}
