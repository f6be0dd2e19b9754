import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { DomainError } from '#kernel';
import { Database, EventConsumers, PeriodicTasks, sqlState } from '#platform';
import { Archives } from '../archive/archives.js';
import { SESSION_PUSHED } from '../sessions.events.js';
import { ConversationPasses } from '../passes/conversation-passes.js';
import { READING_INTERRUPTED } from '../passes/pass-thread.js';
import { type SearchableSession, SearchIndexRepository } from './search-index.repository.js';
import type { SearchText } from './search-text-pass.js';

/** Conversations read at once: PostgreSQL does most of the work. */
const AT_ONCE = 2;
const WORDS_LOOKED_AT = 1_000;
const MAX_INTERRUPTIONS = 3;
const FOREIGN_KEY_VIOLATION = '23503';
/** A push of a message log up to this size is answered when it can be searched, if that does not take longer. */
const SMALL_LOG_BYTES = 512 * 1024;
const PATIENCE_MS = 8_000;

/**
 * Keeps the search index at the versions that sessions show: a small push at once, everything else, and what a crash
 * left, behind the event log. Indexing a version twice, or by two nodes at once, leaves the same rows.
 */
@Injectable()
export class SearchIndexing implements OnModuleInit {
  private readonly log = new Logger(SearchIndexing.name);
  /** What is being indexed, by session. */
  private readonly running = new Map<string, Promise<void>>();
  /** How often the thread ended under a version, until it was indexed. */
  private readonly interruptions = new Map<string, number>();
  private readonly queue: (() => void)[] = [];
  private free = AT_ONCE;

  constructor(
    private readonly db: Database,
    private readonly index: SearchIndexRepository,
    private readonly archives: Archives,
    private readonly passes: ConversationPasses,
    private readonly consumers: EventConsumers,
    private readonly periodic: PeriodicTasks,
  ) {}

  onModuleInit(): void {
    this.periodic.register({
      name: 'sessions.forget-words',
      everyMs: 86_400_000,
      run: (signal) => this.forgetWords(signal),
    });
    this.consumers.register({
      name: 'sessions.search-index',
      types: [SESSION_PUSHED],
      from: 'start',
      handle: ({ subjectId }, signal) => this.catchUp(subjectId, signal),
    });
  }

  /** In the transaction of a push: its answer waits until the session can be searched, if that is soon. */
  async afterPush(uid: string, logBytes: number): Promise<void> {
    if (logBytes <= SMALL_LOG_BYTES) await this.db.afterCommit(() => this.indexPatiently(uid));
  }

  /** Forgets words that only purged sessions or older versions had. */
  private async forgetWords(signal: AbortSignal): Promise<void> {
    let place: [string, string] | null = ['00000000-0000-0000-0000-000000000000', ''];
    while (place && !signal.aborted) place = await this.index.forgetWords(place, WORDS_LOOKED_AT);
  }

  private async indexPatiently(uid: string): Promise<void> {
    const indexed = this.catchUp(uid).catch((error: unknown) => {
      this.log.warn({ msg: 'a pushed session could not be indexed at once', session: uid, err: error });
    });
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => (timer = setTimeout(resolve, PATIENCE_MS)));
    await Promise.race([indexed, patience]);
    clearTimeout(timer);
  }

  /** Indexes the version that the session shows, unless it is; `isAnew` also then. */
  async catchUp(uid: string, signal?: AbortSignal, isAnew = false): Promise<void> {
    const before = this.running.get(uid);
    const work = (async () => {
      // One after the other: the version may be another by then.
      await before?.catch(() => undefined);
      await this.inTurn(() => this.indexOnce(uid, signal, isAnew));
    })();
    this.running.set(uid, work);
    try {
      await work;
    } finally {
      if (this.running.get(uid) === work) this.running.delete(uid);
    }
  }

  private async inTurn(work: () => Promise<void>): Promise<void> {
    if (this.free > 0) this.free -= 1;
    else await new Promise<void>((resolve) => this.queue.push(resolve));
    try {
      await work();
    } finally {
      const next = this.queue.shift();
      if (next) next();
      else this.free += 1;
    }
  }

  private async indexOnce(uid: string, signal: AbortSignal | undefined, isAnew: boolean): Promise<void> {
    const session = await this.index.find(uid);
    if (!session || (session.indexedVersionId === session.versionId && !isAnew)) return;
    try {
      await this.index.show(session, await this.write(session, signal, isAnew));
      this.interruptions.delete(session.versionId);
      await this.index.removeOthers(uid);
    } catch (error) {
      if (sqlState(error) === FOREIGN_KEY_VIOLATION) return;
      if (!this.isHopeless(session.versionId, error)) throw error;
      // Later sessions must not wait for one that cannot be read; its title and tags are found.
      this.log.error({ msg: 'a session cannot be indexed', session: uid, version: session.versionId, err: error });
    }
  }

  private async write(session: SearchableSession, signal: AbortSignal | undefined, isAnew: boolean): Promise<number> {
    const messages = this.archives.messages(session.messagesDigest, session.messagesIndex);
    let total = 0;
    const take = async ({ count, chunks, words }: SearchText): Promise<void> => {
      signal?.throwIfAborted();
      for (const some of chunks) await this.index.write(session, some, isAnew).finally(() => giveBack(some));
      for (const some of words) await this.index.writeWords(session.accountId, some).finally(() => giveBack(some));
      total += count;
    };
    await take(await this.passes.run('search.text', null, messages, take));
    return total;
  }

  /** Whether another try would fail too. A thread that ended may have been ended by another conversation, but not again and again. */
  private isHopeless(versionId: string, error: unknown): boolean {
    if (!(error instanceof DomainError)) return false;
    if (error.code !== 'unavailable') return true;
    if (error.reason !== READING_INTERRUPTED) return false;
    const count = (this.interruptions.get(versionId) ?? 0) + 1;
    if (count < MAX_INTERRUPTIONS) this.interruptions.set(versionId, count);
    else this.interruptions.delete(versionId);
    return count >= MAX_INTERRUPTIONS;
  }
}

/** Frees the bytes now: they lie outside of the heap, whose collector sees no reason to hurry. */
function giveBack({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}
