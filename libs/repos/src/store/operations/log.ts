import { DomainError } from '#kernel';
import { CorruptObjectError } from '../git-object.js';
import { accessor } from '../operation.js';
import { commitFacts } from './read-commit.js';
import type { CommitFacts } from './read-commit.js';

export interface LogInput {
  readonly start: string;
  /** Most commits to return. */
  readonly limit: number;
  /** Begin with the first parent of `start`, which is then a cursor. */
  readonly skipStart: boolean;
}

export interface LogPage {
  readonly commits: CommitFacts[];
  /** True when a further first parent exists. */
  readonly hasMore: boolean;
}

const CURSOR_ERRORS = { missing: 'Cursor commit not found', otherType: 'Cursor is not a commit' };

/** First-parent history, newest first (contract §4.8). A bad cursor is invalid_input. */
export const log = accessor(({ store }, { start, limit, skipStart }: LogInput): LogPage => {
  const objects = store();
  let next: string | undefined = start;
  if (skipStart) {
    if (objects.info(start) === null) throw new DomainError('invalid_input', CURSOR_ERRORS.missing);
    next = commitFacts(objects, start, CURSOR_ERRORS).parents[0];
  }
  const commits: CommitFacts[] = [];
  while (next !== undefined && commits.length < limit) {
    if (commits.length > 0 && objects.info(next) === null) throw new CorruptObjectError(`commit ${next} is missing`);
    const commit: CommitFacts = commitFacts(objects, next);
    commits.push(commit);
    next = commit.parents[0];
  }
  return { commits, hasMore: next !== undefined };
});
