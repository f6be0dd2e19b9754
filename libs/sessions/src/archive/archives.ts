import type { Readable } from 'node:stream';
import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { compiledEntry, DomainError } from '#kernel';
import { Blobs } from '#platform';
import type { ArchiveLimits } from './archive-limits.js';
import { ArchiveThread } from './archive-thread.js';
import { MessageLogReader } from './message-log-reader.js';
import type { MessageIndex } from './message-log.js';
import type { ArchiveReading } from './read-archive.js';

/** Inflating and parsing is bound by the processor, of which the main thread needs its share too. */
const THREADS = 2;

/**
 * Receives pushed archives and reads their messages. The main thread only hands bytes on; memory does not grow with the
 * archive. How many uploads a user may have at once is the caller's business.
 */
@Injectable()
export class Archives implements OnApplicationShutdown {
  private readonly log = new Logger(Archives.name);
  private readonly threads = Array.from(
    { length: THREADS },
    () =>
      new ArchiveThread(compiledEntry('libs/sessions/src/archive/archive-worker.js'), (reason) =>
        this.log.error({ msg: 'archive worker failed', reason }),
      ),
  );
  private isClosing = false;

  constructor(private readonly blobs: Blobs) {}

  /**
   * Reads the body of a push to its end, or to the first rule it breaks; the source is not destroyed then, and its rest
   * not read. What comes back is spooled: `keep` or `drop` it. Errors: `bad_request`, `payload_too_large`, `unavailable`.
   */
  async receive(source: Readable, limits: ArchiveLimits): Promise<ArchiveReading> {
    if (this.isClosing) throw new DomainError('unavailable', 'The server is shutting down');
    // The first idle one, so that a second thread starts only when it is needed.
    const thread = this.threads.reduce((best, other) => (other.load < best.load ? other : best));
    return thread.read(source, { limits, spoolFolder: this.blobs.spoolFolder });
  }

  /** Stores archive and message log; durable when it resolves. The transaction that refers to them holds their digests. */
  async keep({ archive, conversation: { log } }: ArchiveReading): Promise<void> {
    await this.blobs.keep(archive);
    if (log !== null) await this.blobs.keep(log);
  }

  /** Takes away what was received and is not to be stored. */
  async drop({ archive, conversation: { log } }: ArchiveReading): Promise<void> {
    await this.blobs.drop(archive);
    if (log !== null) await this.blobs.drop(log);
  }

  /** The messages of a stored conversation; `digest` is null when it has none. */
  messages(digest: string | null, index: MessageIndex): MessageLogReader {
    return new MessageLogReader(index, (range) => {
      if (digest === null) throw new Error('a log with blocks has a digest');
      return this.blobs.open(digest, range);
    });
  }

  async onApplicationShutdown(): Promise<void> {
    this.isClosing = true;
    await Promise.all(this.threads.map((thread) => thread.close()));
  }
}
