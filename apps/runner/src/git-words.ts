import { DomainError } from '#kernel';
import type { GitExit } from './git-child.js';

const LONGEST_REASON = 200;
/** The C library's texts for ENOSPC, EDQUOT and EROFS, and git's own for a write that stored nothing. */
const DISK_FULL = /: (No space left on device|Disk quota exceeded|Read-only file system)$|Out of diskspace$/m;

/** The line of git's standard error that names the cause, free of server paths. */
export function reasonFrom(stderr: string, repo: string): string {
  const lines = stderr.split('\n').filter((line) => line.trim() !== '');
  const telling = lines.find((line) => line.startsWith('error: ')) ?? lines.find((line) => line.startsWith('fatal: '));
  const text = (telling ?? lines.at(-1) ?? 'git failed').replace(/^(error|fatal): /, '');
  return text
    .replaceAll(repo, '')
    .replace(/[^\x20-\x7e]/g, '?')
    .slice(0, LONGEST_REASON);
}

/** Whether git stopped because nothing could be stored; it has no exit code for that, and its locale is fixed. */
export function saysDiskFull(stderr: string): boolean {
  return DISK_FULL.test(stderr);
}

/** Throws unless git ended well (or was stopped on purpose). @throws internal with git's own words as cause */
export function assertWentWell(exit: GitExit, what: string): void {
  if (exit.code === 0 || exit.code === null) return;
  throw new DomainError('internal', `git ${what} failed`, { cause: new Error(exit.stderr) });
}
