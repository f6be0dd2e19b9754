import type { Readable } from 'node:stream';
import { Worker } from 'node:worker_threads';
import { DomainError, fromWireError } from '#kernel';
import { bufferPassed } from './passing-buffers.js';
import type { ArchiveJob, JobResult, JobTask } from './archive-jobs.js';
import type { FromArchiveWorker, ToArchiveWorker } from './archive-protocol.js';

/** Bytes on their way to the worker; the source waits beyond. */
const WINDOW_BYTES = 512 * 1024;
/** Lines of 8 MB of many uploads at once fit; what leaks ends the thread rather than the server. */
const RESOURCES = { maxOldGenerationSizeMb: 512, maxYoungGenerationSizeMb: 4 };

/** One archive on its way: what is sent of it, and how it ends. */
class Passage {
  private underway = 0;
  private isOver = false;

  constructor(
    private readonly source: Readable,
    private readonly send: (chunk: Uint8Array<ArrayBuffer>) => void,
    private readonly ended: (kind: 'ended' | 'aborted') => void,
  ) {}

  start(): void {
    this.source.on('data', this.onData).once('end', this.onEnd).once('close', this.onClose).once('error', this.onClose);
    if (this.source.destroyed) this.onClose();
  }

  /** The worker has taken bytes: more may come. */
  credit(bytes: number): void {
    this.underway -= bytes;
    if (!this.isOver && this.underway < WINDOW_BYTES) this.source.resume();
  }

  /** Lets go of the source, which stays as it is: its connection carries the answer. */
  stop(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.source.off('data', this.onData).off('end', this.onEnd).off('close', this.onClose);
    this.source.pause();
  }

  private readonly onData = (chunk: Uint8Array): void => {
    // A copy of its own: sockets cut their chunks from memory they share.
    const copy = new Uint8Array(chunk.byteLength);
    copy.set(chunk);
    this.underway += chunk.byteLength;
    this.send(copy);
    bufferPassed(chunk.byteLength);
    if (this.underway >= WINDOW_BYTES) this.source.pause();
  };

  private readonly onEnd = (): void => {
    this.stop();
    this.ended('ended');
  };

  private readonly onClose = (): void => {
    if (this.isOver) return;
    this.stop();
    this.ended('aborted');
  };
}

interface Pending {
  readonly passage: Passage;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** One worker thread and the archives it reads. Started by the first, and again by the first after it died. */
export class ArchiveThread {
  private worker: Worker | undefined;
  private readonly pending = new Map<number, Pending>();
  private nextId = 1;
  private idle: (() => void) | undefined;

  constructor(
    private readonly entry: string,
    private readonly onCrash: (reason: string) => void,
  ) {}

  get load(): number {
    return this.pending.size;
  }

  async run<Job extends ArchiveJob>(job: Job, source: Readable, task: JobTask<Job>): Promise<JobResult<Job>> {
    return (await this.begin(job, source, task)) as JobResult<Job>;
  }

  /** Resolves when every archive begun so far is over and the thread is gone. */
  async close(): Promise<void> {
    if (this.pending.size > 0) await new Promise<void>((resolve) => (this.idle = resolve));
    const { worker } = this;
    this.worker = undefined;
    await worker?.terminate();
  }

  private begin(job: ArchiveJob, source: Readable, task: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const worker = (this.worker ??= this.start());
      const id = this.nextId++;
      const post = (message: ToArchiveWorker, transfer: ArrayBuffer[] = []): void =>
        worker.postMessage(message, transfer);
      const passage = new Passage(
        source,
        (chunk) => post({ id, chunk }, [chunk.buffer]),
        (kind) => post(kind === 'ended' ? { id, ended: true } : { id, aborted: true }),
      );
      this.pending.set(id, { passage, resolve, reject });
      // Only archives keep the process alive.
      worker.ref();
      post({ id, job, task });
      passage.start();
    });
  }

  private start(): Worker {
    const worker = new Worker(this.entry, { resourceLimits: RESOURCES });
    worker.on('message', (message: FromArchiveWorker) => this.hear(message));
    worker.on('error', (error) => this.lost(worker, error.stack ?? error.message));
    worker.on('exit', (code) => this.lost(worker, `archive worker exited with code ${code}`));
    return worker;
  }

  private hear(message: FromArchiveWorker): void {
    const pending = this.pending.get(message.id);
    if (pending === undefined) return;
    if ('taken' in message) return pending.passage.credit(message.taken);
    pending.passage.stop();
    this.pending.delete(message.id);
    if ('result' in message) pending.resolve(message.result);
    else if ('error' in message) pending.reject(fromWireError(message.error));
    else {
      this.onCrash(message.crash);
      pending.reject(new DomainError('internal', 'Internal server error'));
    }
    this.rest();
  }

  /** The thread is gone: its archives fail, what they spooled is swept later, and the next one starts another. */
  private lost(worker: Worker, reason: string): void {
    if (this.worker !== worker) return;
    this.worker = undefined;
    this.onCrash(reason);
    for (const { passage, reject } of this.pending.values()) {
      passage.stop();
      reject(new DomainError('unavailable', 'Archive reading is restarting, try again'));
    }
    this.pending.clear();
    this.rest();
  }

  private rest(): void {
    if (this.pending.size > 0) return;
    this.worker?.unref();
    this.idle?.();
  }
}
