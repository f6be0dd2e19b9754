import { Readable } from 'node:stream';
import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { compiledEntry, DomainError, type SpooledBlob } from '#kernel';
import { Blobs } from '#platform';
import type { OutwardRules } from '../conversation/secrets/outward.js';
import type { ArchiveLimits } from './archive-limits.js';
import { ArchiveThread } from './archive-thread.js';
import type { DlpRules } from './dlp-screen.js';
import { MessageLogReader } from './message-log-reader.js';
import type { MessageIndex } from './message-log.js';
import type { ArchiveReading } from './read-archive.js';
import { renamedArchive } from './renamed-archive.js';
import type { ScreenedText, TextTask } from './screen-text.js';

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
   * not read. What comes back is spooled: `keep` or `drop` it. Errors: those of readArchive.
   */
  async receive(source: Readable, limits: ArchiveLimits, dlp: DlpRules | null): Promise<ArchiveReading> {
    return this.thread().run('read', source, { limits, dlp, spoolFolder: this.blobs.spoolFolder });
  }

  /**
   * A stored archive written anew without its secrets and with a manifest that names the session given, spooled:
   * `Blobs.keep` it. Null when it may be given out as it is. Errors: `not_found`, `unprocessable`
   * (`dlp_pattern_too_slow`), `unavailable`.
   */
  async redact(digest: string, rules: OutwardRules | null, sessionId: string | null): Promise<SpooledBlob | null> {
    const thread = this.thread();
    const stored = await this.blobs.open(digest);
    const source = sessionId === null ? stored : renamedArchive(stored, sessionId);
    const task = { spoolFolder: this.blobs.spoolFolder, rules, always: sessionId !== null };
    try {
      return await thread.run('redact', source, task);
    } finally {
      source.destroy();
    }
  }

  /** Searches a text of moderate size off the main thread. Errors: `unprocessable` (`dlp_pattern_too_slow`), `unavailable`. */
  async screenText(text: string, task: TextTask): Promise<ScreenedText> {
    return this.thread().run('text', Readable.from([Buffer.from(text)]), task);
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

  /** The first idle one, so that a second thread starts only when it is needed. */
  private thread(): ArchiveThread {
    if (this.isClosing) throw new DomainError('unavailable', 'The server is shutting down');
    return this.threads.reduce((best, other) => (other.load < best.load ? other : best));
  }

  async onApplicationShutdown(): Promise<void> {
    this.isClosing = true;
    await Promise.all(this.threads.map((thread) => thread.close()));
  }
}
