import { Injectable, Logger, type OnApplicationBootstrap, type BeforeApplicationShutdown } from '@nestjs/common';
import { Database, RefFiles, type SessionWrite, SessionWrites } from '#platform';
import { PinnedSessionsRepository, type StoredWrite } from './pinned-sessions.repository.js';

export interface Flushed {
  readonly flushedObjects: number;
  readonly flushedRefs: number;
}

const REFRESH_MS = 1_000;
const BATCH = 5_000;

/**
 * What sessions wrote that the ref files do not show yet. The rows are the truth; each node keeps a picture of them
 * for `status`: exact for its own writes, a second old for those of other nodes and for what was projected since.
 */
@Injectable()
export class TrackedWrites extends SessionWrites implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger(TrackedWrites.name);
  private readonly waiting = new Map<string, SessionWrite>();
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;

  constructor(
    private readonly db: Database,
    private readonly sessions: PinnedSessionsRepository,
    private readonly refFiles: RefFiles,
  ) {
    super();
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.tick(), REFRESH_MS).unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.running;
  }

  protected async note(write: SessionWrite): Promise<void> {
    await this.db.transaction(async (tx) => {
      const id = await this.sessions.insertWrite(write);
      if (id !== null) tx.afterCommit(() => void this.waiting.set(id, write));
    });
  }

  /** Objects and refs waiting, as far as this node knows; no query. */
  countKnown(sessionId: string): number {
    let count = 0;
    for (const write of this.waiting.values()) if (write.sessionId === sessionId) count += write.objects + write.refs;
    return count;
  }

  /** Objects and refs waiting, by the rows. */
  async count(sessionId: string): Promise<number> {
    const { still } = await this.sort(await this.sessions.listWritesOf(sessionId));
    return still.reduce((sum, write) => sum + write.objects + write.refs, 0);
  }

  /** Waits until the ref files show all the session wrote before the call; answers what it had to wait for. */
  async flush(sessionId: string): Promise<Flushed> {
    const writes = await this.sessions.listWritesOf(sessionId);
    const { still } = await this.sort(writes);
    for (const repoId of new Set(still.map((write) => write.repoId))) await this.refFiles.catchUp(repoId);
    await this.forget(writes);
    return {
      flushedObjects: still.reduce((sum, write) => sum + write.objects, 0),
      flushedRefs: still.reduce((sum, write) => sum + write.refs, 0),
    };
  }

  /** One at a time: a slow database must not pile them up. */
  private async tick(): Promise<void> {
    if (this.running) return;
    this.running = this.refresh();
    await this.running;
    this.running = undefined;
  }

  private async refresh(): Promise<void> {
    try {
      const known = new Set(this.waiting.keys());
      const { still, done } = await this.sort(await this.sessions.listWrites(BATCH));
      await this.forget(done);
      for (const write of still) {
        known.delete(write.id);
        this.waiting.set(write.id, write);
      }
      // Flushed by another node meanwhile. What was noted after `known` was taken stays.
      for (const id of known) this.waiting.delete(id);
    } catch (error) {
      this.log.warn({ msg: 'writes of pinned sessions could not be looked at', err: error });
    }
  }

  /** A row and its repository's mark are committed together: a repository without the mark shows the row's write. */
  private async sort(writes: readonly StoredWrite[]): Promise<{ still: StoredWrite[]; done: StoredWrite[] }> {
    if (writes.length === 0) return { still: [], done: [] };
    const behind = await this.refFiles.behind([...new Set(writes.map((write) => write.repoId))]);
    return {
      still: writes.filter((write) => behind.has(write.repoId)),
      done: writes.filter((write) => !behind.has(write.repoId)),
    };
  }

  private async forget(writes: readonly StoredWrite[]): Promise<void> {
    if (writes.length === 0) return;
    await this.sessions.deleteWrites(writes.map((write) => write.id));
    for (const { id } of writes) this.waiting.delete(id);
  }
}
