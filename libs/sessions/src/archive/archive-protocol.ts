import type { WireDomainError } from '#kernel';
import type { ArchiveJob } from './archive-jobs.js';

/** What the main thread tells an archive worker. `id` names one archive. */
export type ToArchiveWorker =
  | { readonly id: number; readonly job: ArchiveJob; readonly task: unknown }
  | { readonly id: number; readonly chunk: Uint8Array<ArrayBuffer> }
  | { readonly id: number; readonly ended: true }
  /** The source failed: nothing more will come. */
  | { readonly id: number; readonly aborted: true };

/** What it answers: how many bytes it has taken (so that more may be sent), and one outcome. */
export type FromArchiveWorker =
  | { readonly id: number; readonly taken: number }
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: WireDomainError }
  | { readonly id: number; readonly crash: string };
