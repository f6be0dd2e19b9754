import { DomainError } from '#kernel';
import { parseCommit } from '../commit.js';
import type { CommitContent } from '../commit.js';
import type { ObjectStore } from '../object-store.js';
import { accessor } from '../operation.js';

/** A commit with its id; times in Unix seconds. */
export interface CommitFacts extends CommitContent {
  readonly sha: string;
}

/** Texts for a commit id that names nothing, or something else. */
export interface CommitErrors {
  readonly missing: string;
  readonly otherType: string;
}

const ERRORS: CommitErrors = { missing: 'Commit not found', otherType: 'Object is not a commit' };

/** Throws not_found for an unknown id and invalid_input for an object of another type, with the given texts. */
export function commitFacts(store: ObjectStore, sha: string, errors: CommitErrors = ERRORS): CommitFacts {
  const object = store.find(sha);
  if (object === null) throw new DomainError('not_found', errors.missing);
  if (object.type !== 'commit') throw new DomainError('invalid_input', errors.otherType);
  return { sha, ...parseCommit(object.data) };
}

export const readCommit = accessor(({ store }, input: { readonly oid: string }) => commitFacts(store(), input.oid));
