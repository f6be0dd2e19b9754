import type { StorePool } from '../store/store-pool.js';
import type { PreparedCommit } from './commit-operations.js';
import type { CommitLimits } from './commit-request.js';
import type { BranchHead, WrittenGroup } from './write-commits.js';

/**
 * Commits from the main thread's side: bodies are parsed, held and written in the worker that owns the repository, and
 * only facts come back. Knows objects, not refs: publishing a head is the caller's transaction.
 */
export class CommitWriter {
  constructor(private readonly pool: StorePool) {}

  /**
   * Validates the body of `POST R/commits` and keeps the request for five minutes. A body that fills its memory is
   * given away and is empty afterwards. Throws `invalid_input`, `payload_too_large` or `unavailable`.
   */
  async prepare(dir: string, body: Buffer, limits: CommitLimits): Promise<PreparedCommit> {
    const owned = ownMemory(body);
    return this.pool.call('prepareCommit', dir, { body: owned, limits }, [owned.buffer]);
  }

  /**
   * Writes the requests as commits, each on top of the last accepted one, in one durable pack. Requests that fail are
   * reported in their place; handles stay valid, so that a group whose branch moved can be written again on its new
   * head. `now` in milliseconds. Throws `not_found` without repository, `unavailable` when the worker died.
   */
  async write(dir: string, head: BranchHead | null, handles: readonly string[], now: number): Promise<WrittenGroup> {
    return this.pool.call('writeCommitGroup', dir, { head, handles, now });
  }

  /** Forgets a request, written or not. Returns at once: no reply should wait behind other work of the worker. */
  discard(dir: string, handle: string): void {
    // A worker that died has forgotten it already, and the pool reports every other failure.
    this.pool.call('discardCommit', dir, { handle }).catch(() => undefined);
  }
}

/** Small buffers are slices of memory other requests use: those are copied, a body of its own is moved. */
function ownMemory(body: Buffer): Uint8Array<ArrayBuffer> {
  const { buffer, byteLength } = body;
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) return new Uint8Array(buffer);
  return new Uint8Array(body);
}
