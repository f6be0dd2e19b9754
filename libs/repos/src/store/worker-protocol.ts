import type { ArmedFault, WireDomainError } from '#kernel';

/** One call to a store worker. */
export interface CallMessage {
  readonly id: number;
  readonly operation: string;
  /** Absolute path of the bare repository. */
  readonly dir: string;
  readonly input: unknown;
}

/** The answer to one call: a value, a domain error, or the stack of anything else. */
export type ReplyMessage =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: WireDomainError }
  | { readonly id: number; readonly crash: string };

/** What a worker is started with. */
export interface WorkerStart {
  readonly fault: ArmedFault | undefined;
}
