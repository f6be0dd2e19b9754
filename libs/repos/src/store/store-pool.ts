import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { type ArmedFault, compiledEntry, DomainError, fromWireError } from '#kernel';
import type { Operation } from './operation.js';
import { OPERATIONS } from './operations.js';
import type { CallMessage, ReplyMessage, WorkerStart } from './worker-protocol.js';

export type OperationName = keyof typeof OPERATIONS;
export type OperationInput<N extends OperationName> =
  (typeof OPERATIONS)[N] extends Operation<infer I, unknown> ? I : never;
export type OperationOutput<N extends OperationName> = ReturnType<(typeof OPERATIONS)[N]['run']>;

/** A thread waits for the disk at every commit: with fewer than four per core, cores idle while writers queue. */
const PER_CORE = 4;
/** Each thread holds caches of its own. */
const MAX_DEFAULT = 32;

export interface StorePoolOptions {
  /** Number of worker threads, at least two; four per core but no more than 32 when absent. */
  readonly workers?: number;
  /** Told about failures that are not domain errors; `stack` is for the log, never for a client. */
  readonly onCrash?: (operation: string, stack: string) => void;
  /** Where a crash test kills the process, on the `nth` passage inside a worker. */
  readonly faultPoint?: ArmedFault | undefined;
  /** Program of the workers; only tests have another. */
  readonly entry?: string;
}

interface PendingCall {
  readonly operation: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** One worker thread and its unanswered calls. Started by its first call, and again by the first call after it died. */
class StoreThread {
  private worker: Worker | undefined;
  private readonly pending = new Map<number, PendingCall>();
  private idle: (() => void) | undefined;

  constructor(
    private readonly entry: string,
    private readonly fault: ArmedFault | undefined,
    private readonly onCrash: (operation: string, stack: string) => void,
  ) {}

  get load(): number {
    return this.pending.size;
  }

  call(message: CallMessage, transfer: readonly ArrayBuffer[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const worker = (this.worker ??= this.start());
      worker.postMessage(message, [...transfer]);
      this.pending.set(message.id, { operation: message.operation, resolve, reject });
      // Only waiting calls keep the process alive.
      worker.ref();
    });
  }

  /** Resolves when every call made so far is answered and the thread is gone. */
  async close(): Promise<void> {
    if (this.pending.size > 0) await new Promise<void>((resolve) => (this.idle = resolve));
    const { worker } = this;
    this.worker = undefined;
    await worker?.terminate();
  }

  private start(): Worker {
    const worker = new Worker(this.entry, { workerData: { fault: this.fault } satisfies WorkerStart });
    worker.on('message', (reply: ReplyMessage) => this.settle(reply));
    worker.on('error', (error) => this.lost(worker, error.stack ?? error.message));
    worker.on('messageerror', (error) => this.lost(worker, error.stack ?? error.message));
    worker.on('exit', (code) => this.lost(worker, `store worker exited with code ${code}`));
    return worker;
  }

  private settle(reply: ReplyMessage): void {
    const call = this.pending.get(reply.id);
    this.pending.delete(reply.id);
    if ('value' in reply) call?.resolve(reply.value);
    else if ('error' in reply) call?.reject(fromWireError(reply.error));
    else {
      if (call !== undefined) this.onCrash(call.operation, reply.crash);
      call?.reject(new DomainError('internal', 'Internal server error'));
    }
    this.rest();
  }

  /** The thread is gone: its calls fail (whether they took effect is unknown), and the next call starts another. */
  private lost(worker: Worker, reason: string): void {
    if (this.worker !== worker) return;
    this.worker = undefined;
    const calls = [...this.pending.values()];
    this.pending.clear();
    this.onCrash(calls[0]?.operation ?? 'none', reason);
    for (const call of calls) call.reject(new DomainError('unavailable', 'Git storage is restarting, try again'));
    this.rest();
  }

  private rest(): void {
    if (this.pending.size > 0) return;
    this.worker?.unref();
    this.idle?.();
  }
}

/**
 * Store workers, each an own queue. Writes of a repository always meet in the same worker and are thus serial; reads
 * go to the less busy of two workers that are fixed per repository, so that caches stay warm.
 */
export class StorePool {
  private readonly threads: StoreThread[];
  private nextId = 1;
  private closed = false;

  constructor(options: StorePoolOptions = {}) {
    const count = Math.max(2, options.workers ?? Math.min(MAX_DEFAULT, availableParallelism() * PER_CORE));
    const entry = options.entry ?? compiledEntry('libs/repos/src/store/store-worker.js');
    const onCrash = options.onCrash ?? ((operation, stack) => process.emitWarning(`store ${operation}: ${stack}`));
    this.threads = Array.from({ length: count }, () => new StoreThread(entry, options.faultPoint, onCrash));
  }

  /**
   * Runs an operation. Rejects with the operation's DomainError, `internal` after a bug (reported to onCrash), or
   * `unavailable` when its worker died or the pool is closed.
   */
  async call<N extends OperationName>(
    operation: N,
    dir: string,
    input: OperationInput<N>,
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<OperationOutput<N>> {
    if (this.closed) throw new DomainError('unavailable', 'Git storage is shutting down');
    const thread = OPERATIONS[operation].kind === 'mutator' ? this.writer(dir) : this.reader(dir);
    const id = this.nextId++;
    return (await thread.call({ id, operation, dir, input }, transfer)) as OperationOutput<N>;
  }

  /** Refuses new calls, lets the running ones finish, then ends the threads. */
  async close(): Promise<void> {
    this.closed = true;
    await Promise.all(this.threads.map((thread) => thread.close()));
  }

  private writer(dir: string): StoreThread {
    return this.threads[hashOf(dir) % this.threads.length] as StoreThread;
  }

  private reader(dir: string): StoreThread {
    const hash = hashOf(dir);
    const first = hash % this.threads.length;
    const step = 1 + (Math.floor(hash / this.threads.length) % (this.threads.length - 1));
    const one = this.threads[first] as StoreThread;
    const other = this.threads[(first + step) % this.threads.length] as StoreThread;
    return other.load < one.load ? other : one;
  }
}

/** FNV-1a over the path. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return hash;
}
