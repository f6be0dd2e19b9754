import { DomainError } from '#kernel';
import type { DlpScanResults } from './dlp/dlp-policy.js';
import type { ArchiveMetadata } from './archive/metadata.js';

/** A recorded agent conversation in one account, as its current version says. */
export interface CapturedSession extends ArchiveMetadata {
  /** Ours; `id` is the client's and unique per account and user only. */
  readonly uid: string;
  readonly id: string;
  readonly accountId: string;
  readonly userId: string;
  readonly visibility: 'private' | 'org';
  readonly alias: string | null;
  readonly versionId: string;
  readonly etag: string;
  readonly archiveBytes: number;
  readonly dlpScanResults: DlpScanResults | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly uploadedAt: Date;
  readonly deletedAt: Date | null;
  readonly deletedBy: string | null;
  readonly deleteScope: 'cloud' | 'both' | null;
  readonly purgeAfter: Date | null;
}

const TRASH_DAYS = 30;

/** Until when what is deleted now can be restored (sessionfs-1.md §7.9). */
export function trashDeadline(now: Date): Date {
  return new Date(now.getTime() + TRASH_DAYS * 86_400_000);
}

const ID = /^ses_[a-z0-9]{8,40}$/;
const ALIAS = /^[A-Za-z0-9][A-Za-z0-9_-]{2,99}$/;

export function isSessionId(text: string): boolean {
  return ID.test(text);
}

/** Words that stand where a session's name does in other routes. */
const ROUTE_WORDS: ReadonlySet<string> = new Set(['admin', 'audits', 'search', 'share', 'summaries']);

/** An alias never looks like an id or like another route, so that a name in a path means one thing. */
export function isAlias(text: string): boolean {
  return ALIAS.test(text) && !ID.test(text) && !ROUTE_WORDS.has(text);
}

/** Tools that are one family: each finds the sessions of both (sessionfs-1.md §7.7). */
const FAMILIES: readonly (readonly string[])[] = [
  ['gemini', 'gemini-cli'],
  ['copilot', 'copilot-cli'],
];

export function toolFamily(tool: string): readonly string[] {
  return FAMILIES.find((family) => family.includes(tool)) ?? [tool];
}

export function sessionNotFound(): DomainError {
  return new DomainError('not_found', 'Session not found');
}

/** An id is its owner's: administrators say whose they mean where it is not unique. */
export function severalOfThatId(...sessions: readonly { readonly userId: string }[]): DomainError {
  return new DomainError('conflict', 'Several users have a session of this id; name one with user_id', {
    details: { user_ids: sessions.map(({ userId }) => userId) },
  });
}
