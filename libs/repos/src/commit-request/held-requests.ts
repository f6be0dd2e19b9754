import { DomainError, urlSafeId } from '#kernel';
import type { CommitLimits, CommitRequest } from './commit-request.js';

/** How long a request waits for its turn at most. */
const LIFETIME_MS = 5 * 60_000;
/** Bodies one worker holds: ten of the largest. */
const MAX_HELD_BYTES = 256 * 1024 * 1024;

export interface HeldCommit {
  readonly request: CommitRequest;
  readonly limits: CommitLimits;
}

interface Held extends HeldCommit {
  readonly dir: string;
  /** Size of the body it was parsed from. */
  readonly bytes: number;
  readonly timer: NodeJS.Timeout;
}

/**
 * Parsed requests in the memory of the worker that will write them, so that contents cross threads once. They are gone
 * after a restart of the worker, when discarded, and after their lifetime in milliseconds.
 */
export class HeldRequests {
  private readonly held = new Map<string, Held>();
  private heldBytes = 0;

  constructor(
    private readonly lifetimeMs = LIFETIME_MS,
    private readonly maxBytes = MAX_HELD_BYTES,
  ) {}

  /** Throws `unavailable` when there is no room for another `bytes`: checked before parsing, which costs most. */
  assertRoom(bytes: number): void {
    if (this.heldBytes + bytes <= this.maxBytes || this.held.size === 0) return;
    throw new DomainError('unavailable', 'Too many commits are waiting. Retry.', { headers: { 'Retry-After': '1' } });
  }

  /** Keeps a request and returns its handle. */
  add(dir: string, request: CommitRequest, limits: CommitLimits, bytes: number): string {
    const handle = urlSafeId();
    const timer = setTimeout(() => this.discard(dir, handle), this.lifetimeMs).unref();
    this.held.set(handle, { dir, request, limits, bytes, timer });
    this.heldBytes += bytes;
    return handle;
  }

  /** Null when the handle is unknown, dropped, or of another repository. */
  find(dir: string, handle: string): HeldCommit | null {
    const held = this.held.get(handle);
    return held?.dir === dir ? held : null;
  }

  /** Forgets a request; unknown handles are no failure. */
  discard(dir: string, handle: string): void {
    const held = this.held.get(handle);
    if (held?.dir !== dir) return;
    clearTimeout(held.timer);
    this.held.delete(handle);
    this.heldBytes -= held.bytes;
  }
}
