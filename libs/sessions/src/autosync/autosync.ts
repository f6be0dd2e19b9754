/** Which sessions a client pushes by itself: none, every one, or those on the watchlist. */
export type SyncMode = 'off' | 'all' | 'selective';

export const SYNC_MODES: readonly SyncMode[] = ['off', 'all', 'selective'];

export interface SyncSettings {
  readonly mode: SyncMode;
  /** How long a session must rest before it is pushed. */
  readonly debounceSeconds: number;
}

export const DEFAULT_SETTINGS: SyncSettings = { mode: 'off', debounceSeconds: 30 };
export const DEBOUNCE = { min: 5, max: 300 } as const;

/** How far a client has come with a watched session; only clients set it. */
export type WatchStatus = 'pending' | 'queued' | 'synced' | 'failed';

export const WATCH_STATUSES: readonly WatchStatus[] = ['failed', 'pending', 'queued', 'synced'];

/** Sessions one person may watch in one account: clients read the list as a whole, every minute. */
export const MAX_WATCHED = 2_000;

export interface WatchedSession {
  readonly sessionId: string;
  readonly status: WatchStatus;
  readonly lastSyncedAt: Date | null;
  /** Null, and no messages, until the session is pushed. */
  readonly title: string | null;
  readonly sourceTool: string | null;
  readonly messageCount: number;
  /** Position in the list. */
  readonly ordinal: string;
}

export interface SyncCounts {
  readonly sessions: number;
  readonly watched: number;
  readonly queued: number;
  readonly failed: number;
  /** Archives of the live sessions as they are now: no older versions, no trash. */
  readonly archiveBytes: number;
}
