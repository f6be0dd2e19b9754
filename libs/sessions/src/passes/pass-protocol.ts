import type { WireDomainError } from '#kernel';
import type { PassName } from './pass-registry.js';

/** What the main thread tells a pass worker. `id` names one pass. */
export type ToPassWorker =
  | { readonly id: number; readonly pass: PassName; readonly input: unknown }
  /** A block of the message log, inflated. */
  | { readonly id: number; readonly block: Uint8Array<ArrayBuffer> }
  | { readonly id: number; readonly ended: true }
  | { readonly id: number; readonly aborted: true };

/** What it answers: that it has read a block, so that the next may be sent, and one outcome. */
export type FromPassWorker =
  | { readonly id: number; readonly taken: true; readonly part?: unknown }
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: WireDomainError }
  | { readonly id: number; readonly crash: string };
