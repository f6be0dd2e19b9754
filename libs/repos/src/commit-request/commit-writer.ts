import type { StorePool } from '../store/store-pool.js';
import type { PreparedCommit } from './commit-operations.js';
import type { CommitLimits } from './commit-request.js';
import type { BranchHead, WrittenGroup } from './write-commits.js';

/** Larger requests are not kept waiting to be forgotten. */
const KEPT_BYTES = 65_536;
const KEPT_HANDLES = 64;
const SWEEP_MS = 1_000;

/**
 * Commits from the main thread's side: bodies are parsed, held and written in the worker that owns the repository, and
 * only facts come back. Knows objects, not refs: publishing a head is the caller's transaction.
 */
export class CommitWriter {
  private readonly discarded = new Map<string, string[]>();
  private sweep: NodeJS.Timeout | undefined;

  constructor(private readonly pool: StorePool) {}

  /**
   * Validates the body of `POST R/commits` and keeps the request for five minutes. A body that fills its memory is
   * given away and is empty afterwards. Throws `invalid_input`, `payload_too_large` or `unavailable`.
   */
  async prepare(dir: string, body: Buffer, limits: CommitLimits): Promise<PreparedCommit> {
    const owned = ownMemory(body);
    const discarded = this.takeDiscarded(dir);
    return this.pool.call('prepareCommit', dir, { body: owned, limits, discarded }, [owned.buffer]);
  }

  /**
   * Writes the requests as commits, each on top of the last accepted one, in one durable pack. Requests that fail are
   * reported in their place; handles stay valid, so that a group whose branch moved can be written again on its new
   * head. `now` in milliseconds. Throws `not_found` without repository, `unavailable` when the worker died.
   */
  async write(dir: string, head: BranchHead | null, handles: readonly string[], now: number): Promise<WrittenGroup> {
    return this.pool.call('writeCommitGroup', dir, { head, handles, now });
  }

  /**
   * Forgets a request, written or not. Returns at once: no reply should wait behind other work of the worker. A small
   * one goes with the repository's next request, or a second later, to save the worker a message.
   */
  discard(dir: string, { handle, bytes }: Pick<PreparedCommit, 'handle' | 'bytes'>): void {
    const handles = this.takeDiscarded(dir);
    handles.push(handle);
    if (bytes > KEPT_BYTES || handles.length >= KEPT_HANDLES) return this.send(dir, handles);
    this.discarded.set(dir, handles);
    this.sweep ??= setTimeout(() => this.sweepDiscarded(), SWEEP_MS).unref();
  }

  private takeDiscarded(dir: string): string[] {
    const handles = this.discarded.get(dir) ?? [];
    this.discarded.delete(dir);
    return handles;
  }

  private sweepDiscarded(): void {
    this.sweep = undefined;
    for (const [dir, handles] of this.discarded) this.send(dir, handles);
    this.discarded.clear();
  }

  private send(dir: string, handles: readonly string[]): void {
    // A worker that died has forgotten them already, and the pool reports every other failure.
    this.pool.call('discardCommits', dir, { handles }).catch(() => undefined);
  }
}

/** Small buffers are slices of memory other requests use: those are copied, a body of its own is moved. */
function ownMemory(body: Buffer): Uint8Array<ArrayBuffer> {
  const { buffer, byteLength } = body;
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) return new Uint8Array(buffer);
  return new Uint8Array(body);
}
