import type { ProtocolVersion } from './git-protocol.js';
import type { LsRefsRequest } from './ls-refs.js';
import type { Pkt } from './pkt-line.js';

/** What a client asks of git-upload-pack. */
export type UploadPackRequest =
  /** Nothing: a probe of the connection, or no wants. */
  | { readonly kind: 'empty' }
  | { readonly kind: 'ls-refs'; readonly request: LsRefsRequest }
  | { readonly kind: 'fetch'; readonly request: FetchRequest };

export interface FetchRequest {
  readonly version: ProtocolVersion;
  /** Object ids asked for, without repetition. */
  readonly wants: readonly string[];
  /** Ref names or ids the client uses to bound history; resolved by git against the refs on disk. */
  readonly deepenNot: readonly string[];
  /**
   * The request as git is to see it: rebuilt from what was understood, so that nothing reaches git unread.
   * `limited` is for callers who may see only some refs: it takes out what would draw on the others.
   */
  toGit(options: { limited: boolean }): Buffer;
}

/** A parser takes packets one at a time and keeps what it has understood. */
export interface UploadPackParser {
  accept(pkt: Pkt): void;
  finish(): UploadPackRequest;
}
