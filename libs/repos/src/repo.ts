import { DomainError, isSlug } from '#kernel';
import { isValidBranchName } from './ref-names.js';
import { isRepoSlug } from './slugs.js';

export type Visibility = 'public' | 'private';

/** A hosted git repository. */
export interface Repo {
  readonly id: string;
  /** Names the directory on disk; never derived from user text. */
  readonly storageId: string;
  readonly accountId: string;
  readonly namespace: string | null;
  readonly slug: string;
  readonly description: string | null;
  readonly defaultBranch: string;
  readonly visibility: Visibility;
  readonly isTemplate: boolean;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** Where a repository stands inside its account. */
export interface RepoAddress {
  readonly namespace: string | null;
  readonly slug: string;
}

export interface NewRepo extends RepoAddress {
  readonly description: string | null;
  readonly defaultBranch: string;
  readonly visibility: Visibility;
  readonly isTemplate: boolean;
  /** Create one empty-tree commit on the default branch. */
  readonly init: boolean;
}

export interface RepoChange {
  readonly description?: string | null;
  readonly visibility?: Visibility;
  readonly defaultBranch?: string;
  readonly isTemplate?: boolean;
}

export const MAX_DESCRIPTION = 500;
const NAME_RULE = 'Use lowercase letters, numbers, hyphens. 1-100 chars.';

/** The rules of coregit.md §5.1, with their texts. */
export function assertNewRepo(input: NewRepo): void {
  if (input.slug === '') throw invalid('slug', 'slug is required');
  if (!isSlug(input.slug)) throw invalid('slug', `Invalid slug. ${NAME_RULE}`);
  if (input.namespace !== null && !isSlug(input.namespace)) {
    throw invalid('namespace', `Invalid namespace. ${NAME_RULE}`);
  }
  if (!isRepoSlug(input.slug, input.namespace)) {
    throw invalid('slug', `Invalid slug. '${input.slug}' is reserved inside a namespace.`);
  }
  assertDescription(input.description);
  if (!isValidBranchName(input.defaultBranch)) throw invalid('default_branch', 'Invalid branch name');
}

export function assertDescription(description: string | null | undefined): void {
  if (!description) return;
  if (description.length > MAX_DESCRIPTION) {
    throw invalid('description', `Description must be at most ${MAX_DESCRIPTION} characters`);
  }
  if (description.includes('\0')) throw invalid('description', 'Description must not contain NUL');
}

/** What the bytes of a repository are counted under. */
export function storedItemOf({ id }: Pick<Repo, 'id'>): string {
  return `repo:${id}`;
}

export function repoNotFound(): DomainError {
  return new DomainError('not_found', 'Repository not found');
}

function invalid(field: string, message: string): DomainError {
  return new DomainError('invalid_input', message, { field });
}
