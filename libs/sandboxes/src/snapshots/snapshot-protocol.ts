import type { SpooledBlob, WireDomainError } from '#kernel';
import type { RestoreSnapshot } from './restore-snapshot.js';
import type { TakenSnapshot, TakeSnapshot } from './take-snapshot.js';

/** What a snapshot's thread is started with: one piece of work, after which it ends. */
export type SnapshotWork =
  { readonly kind: 'take'; readonly how: TakeSnapshot } | { readonly kind: 'restore'; readonly how: RestoreSnapshot };

/** Each request waits for its answer. */
export type FromSnapshotWorker =
  | { readonly keep: SpooledBlob }
  | { readonly fetch: number }
  | { readonly done: TakenSnapshot | null }
  | { readonly error: WireDomainError }
  | { readonly crash: string };

/** `path` for what was fetched; null for what was kept. */
export interface ToSnapshotWorker {
  readonly path: string | null;
}
