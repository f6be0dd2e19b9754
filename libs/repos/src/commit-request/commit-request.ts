import { DomainError } from '#kernel';

/** Modes a request may give a file. Directories follow from paths; submodules cannot be made through the API. */
export const FILE_MODES = ['100644', '100755', '120000'] as const;
export type FileMode = (typeof FILE_MODES)[number];

export interface Identity {
  readonly name: string;
  readonly email: string;
}

/** Author of commits whose request names none. */
export const DEFAULT_AUTHOR: Identity = { name: 'Roundhouse', email: 'noreply@roundhouse.local' };

export interface StringEdit {
  readonly kind: 'string';
  readonly oldBytes: Buffer;
  readonly newBytes: Buffer;
  /** First 80 characters of the searched text, for the error body. */
  readonly context: string;
}

export interface RangeEdit {
  readonly kind: 'range';
  /** First line, 1-based. */
  readonly start: number;
  /** Last line, inclusive; may lie beyond the end of the file. */
  readonly end: number;
  readonly content: Buffer;
}

export type Edit = StringEdit | RangeEdit;

export type Change =
  | { readonly action: 'create'; readonly path: string; readonly content: Buffer; readonly mode: FileMode | null }
  | { readonly action: 'edit'; readonly path: string; readonly edits: readonly Edit[]; readonly mode: FileMode | null }
  | { readonly action: 'delete'; readonly path: string }
  | { readonly action: 'rename'; readonly path: string; readonly newPath: string }
  | {
      readonly action: 'lazy_edit';
      readonly path: string;
      readonly snippet: string;
      readonly instruction: string | null;
    };

/** The body of `POST R/commits` after validation: contents decoded, nothing left to check but the repository. */
export interface CommitRequest {
  /** Short name, without `refs/heads/`. */
  readonly branch: string;
  readonly message: string;
  readonly author: Identity;
  /** As given, not yet looked up; null when the request names none. */
  readonly parentSha: string | null;
  readonly changes: readonly Change[];
  readonly lazyEdits: number;
}

export interface CommitLimits {
  /** Largest file, in decoded bytes. */
  readonly maxFileBytes: number;
}

export function lazyEditUnavailable(): DomainError {
  return new DomainError('unavailable', 'lazy_edit is not configured on this deployment');
}
