import { DomainError } from '#kernel';
import type { GitExit } from './git-child.js';

const LONGEST_REASON = 200;

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

/** Throws unless git ended well (or was stopped on purpose). @throws internal with git's own words as cause */
export function assertWentWell(exit: GitExit, what: string): void {
  if (exit.code === 0 || exit.code === null) return;
  throw new DomainError('internal', `git ${what} failed`, { cause: new Error(exit.stderr) });
}
