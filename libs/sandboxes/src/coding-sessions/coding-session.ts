import type { Sandbox } from '../sandbox.js';

export const CODING_STATUSES = ['running', 'completed', 'failed', 'archived'] as const;
/** What the user says of the session; its lifecycle is `state`. */
export type CodingStatus = (typeof CODING_STATUSES)[number];

/** A sandbox of the sandbox-api surface (sandbox-sessions.md §A7): a checkout of its own with chats. */
export interface CodingSession extends Sandbox {
  readonly title: string;
  readonly status: CodingStatus;
  readonly artistId: string | null;
  readonly repoOwner: string | null;
  readonly repoName: string | null;
  readonly branch: string | null;
  readonly cloneUrl: string | null;
  readonly isNewBranch: boolean;
  /** Archived, but what ran in it is not known to have ended yet. */
  readonly isStopping: boolean;
  /** Names of those of its account that it was made with, in order. */
  readonly skills: readonly string[];
  /** What the provider has to know to find the sandbox again (§A12.4). */
  readonly providerState: Readonly<Record<string, unknown>>;
  /** The lease of the background timer. */
  readonly leaseId: string | null;
  readonly expiresAt: Date | null;
  readonly hibernateAfter: Date | null;
  readonly linesAdded: number;
  readonly linesRemoved: number;
  readonly snapshotUrl: string | null;
  readonly snapshotCreatedAt: Date | null;
  readonly snapshotBytes: number | null;
  readonly cachedDiff: Readonly<Record<string, unknown>> | null;
  readonly cachedDiffAt: Date | null;
}

export interface NewCodingSession {
  /** Null for a generated one. */
  readonly title: string | null;
  readonly repoOwner: string | null;
  readonly repoName: string | null;
  readonly branch: string | null;
  readonly cloneUrl: string | null;
  readonly isNewBranch: boolean;
  /** The account of an organisation that the caller is a member of. */
  readonly organizationId: string | null;
  readonly artistId: string | null;
}

export interface CodingSessionEdit {
  readonly title?: string;
  readonly status?: CodingStatus;
  readonly linesAdded?: number;
  readonly linesRemoved?: number;
}

/** One session in a list, with what its chats say (§A9.3). */
export interface ListedCodingSession {
  readonly id: string;
  readonly title: string;
  readonly status: CodingStatus;
  readonly repoOwner: string | null;
  readonly repoName: string | null;
  readonly branch: string | null;
  readonly linesAdded: number;
  readonly linesRemoved: number;
  readonly createdAt: Date;
  /** Of its newest chat. */
  readonly lastActivityAt: Date;
  readonly hasUnread: boolean;
  readonly hasStreaming: boolean;
  readonly latestChatId: string | null;
}
