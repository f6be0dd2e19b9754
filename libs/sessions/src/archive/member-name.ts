import { refusedArchive } from './archive-limits.js';

const MAX_NAME_BYTES = 1_024;
const MAX_SHOWN = 200;
const DRIVE = /^[A-Za-z]:/;
const CONTROL = /[\u0000-\u001f\u007f]/;

/** A name in a message: bounded, and without what could act on a terminal. */
export function shownName(name: string): string {
  const bounded = name.length > MAX_SHOWN ? `${name.slice(0, MAX_SHOWN)}…` : name;
  return bounded.replace(/[\u0000-\u001f\u007f]/g, '?').toWellFormed();
}

/**
 * The path that a member's name means, or a refusal with the contract's text (sessionfs-1.md §7.3, rules 4 and 5).
 * Whatever could mean another path on another system is refused rather than cleaned.
 */
export function memberPath(name: string): string {
  const shown = shownName(name);
  if (name.includes('..')) throw refusedArchive(`Path traversal in tar member: ${shown}`);
  if (name.startsWith('/')) throw refusedArchive(`Absolute path in tar member: ${shown}`);
  if (name.includes('\\') || DRIVE.test(name)) throw refusedArchive(`Windows path in tar member: ${shown}`);
  // U+FFFD stands where the bytes were no UTF-8: two such names may look the same.
  if (CONTROL.test(name) || name.includes('\ufffd') || Buffer.byteLength(name) > MAX_NAME_BYTES) {
    throw refusedArchive(`Invalid name of tar member: ${shown}`);
  }
  const path = name
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/');
  // macOS and some editors write decomposed letters: for a person the two are one name.
  return path.normalize('NFC');
}
