import { Worker } from 'node:worker_threads';
import { DomainError, fromWireError } from '#kernel';
import type { FromPassWorker, ToPassWorker } from './pass-protocol.js';
import type { PassName } from './pass-registry.js';

/** Why a pass failed whose thread was ended, by itself or by another one. */
export const READING_INTERRUPTED = 'reading_interrupted';
/** What leaks ends the thread rather than the server. */
const RESOURCES = { maxOldGenerationSizeMb: 512, maxYoungGenerationSizeMb: 4 };

interface Pending {
  /** Lets the next block go; set while one is being read. */
  taken: ((part?: unknown) => void) | null;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

export interface PassThreadSettings {
  readonly entry: string;
  /** How long one block may take; beyond it the thread is ended. */
  readonly patienceMs: number;
  readonly onCrash: (reason: string) => void;
}

/** One worker thread and the passes it runs, a block of each in turn. Started by its first pass, and again after it died. */
export class PassThread {
  private worker: Worker | undefined;
  private readonly pending = new Map<number, Pending>();
  /** Passes in the order in which the worker reads what it was sent. */
  private readonly queue: number[] = [];
  private nextId = 1;
  private alarm: NodeJS.Timeout | undefined;
  private idle: (() => void) | undefined;

  constructor(private readonly settings: PassThreadSettings) {}

  get load(): number {
    return this.pending.size;
  }

  run(
    pass: PassName,
    input: unknown,
    blocks: AsyncIterable<Uint8Array>,
    onPart?: (part: unknown) => Promise<void>,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const worker = (this.worker ??= this.start());
      const id = this.nextId++;
      this.pending.set(id, { taken: null, resolve, reject });
      // Only passes keep the process alive.
      worker.ref();
      worker.postMessage({ id, pass, input } satisfies ToPassWorker);
      void this.sendBlocks(worker, id, blocks, onPart);
    });
  }

  /** Resolves when every pass begun so far is over and the thread is gone. */
  async close(): Promise<void> {
    if (this.pending.size > 0) await new Promise<void>((resolve) => (this.idle = resolve));
    const { worker } = this;
    this.worker = undefined;
    await worker?.terminate();
  }

  private async sendBlocks(
    worker: Worker,
    id: number,
    blocks: AsyncIterable<Uint8Array>,
    onPart?: (part: unknown) => Promise<void>,
  ): Promise<void> {
    try {
      for await (const block of blocks) {
        const pending = this.pending.get(id);
        if (pending === undefined) return;
        // A copy of its own, to be handed over.
        const copy = new Uint8Array(block);
        const taken = new Promise<unknown>((resolve) => (pending.taken = resolve));
        this.send(worker, id, { id, block: copy }, [copy.buffer]);
        const part = await taken;
        if (part !== undefined) await onPart?.(part);
      }
      this.send(worker, id, { id, ended: true });
    } catch (error) {
      worker.postMessage({ id, aborted: true } satisfies ToPassWorker);
      this.take(id)?.reject(error instanceof Error ? error : new Error(String(error)));
      this.rest();
    }
  }

  private send(worker: Worker, id: number, message: ToPassWorker, transfer: ArrayBuffer[] = []): void {
    if (this.worker !== worker || !this.pending.has(id)) return;
    this.queue.push(id);
    if (this.queue.length === 1) this.setAlarm(worker);
    worker.postMessage(message, transfer);
  }

  private start(): Worker {
    const worker = new Worker(this.settings.entry, { resourceLimits: RESOURCES });
    worker.on('message', (message: FromPassWorker) => this.hear(worker, message));
    worker.on('error', (error) => this.lost(worker, error.stack ?? error.message));
    worker.on('exit', (code) => this.lost(worker, `pass worker exited with code ${code}`));
    return worker;
  }

  private hear(worker: Worker, message: FromPassWorker): void {
    const place = this.queue.indexOf(message.id);
    if (place >= 0) this.queue.splice(place, 1);
    this.setAlarm(worker);
    if ('taken' in message) return this.pending.get(message.id)?.taken?.(message.part);
    const pending = this.take(message.id);
    if ('result' in message) pending?.resolve(message.result);
    else if ('error' in message) pending?.reject(fromWireError(message.error));
    else {
      this.settings.onCrash(message.crash);
      pending?.reject(new DomainError('internal', 'Internal server error'));
    }
    pending?.taken?.();
    this.rest();
  }

  /** The pass, which is over. */
  private take(id: number): Pending | undefined {
    const pending = this.pending.get(id);
    this.pending.delete(id);
    return pending;
  }

  /** What is read for too long now is what the first of the queue sent. */
  private setAlarm(worker: Worker): void {
    clearTimeout(this.alarm);
    const [first] = this.queue;
    if (first === undefined) return;
    this.alarm = setTimeout(() => {
      this.pending
        .get(first)
        ?.reject(
          new DomainError('unprocessable', 'The conversation takes too long to read', { reason: 'too_complex' }),
        );
      this.lost(worker, 'a block of a conversation took too long to read');
      void worker.terminate();
    }, this.settings.patienceMs);
    this.alarm.unref();
  }

  /** The thread is gone: its passes fail, and the next one starts another. */
  private lost(worker: Worker, reason: string): void {
    if (this.worker !== worker) return;
    this.worker = undefined;
    clearTimeout(this.alarm);
    this.queue.length = 0;
    this.settings.onCrash(reason);
    const all = [...this.pending.values()];
    this.pending.clear();
    for (const { taken, reject } of all) {
      reject(
        new DomainError('unavailable', 'Reading the conversation was interrupted, try again', {
          reason: READING_INTERRUPTED,
        }),
      );
      taken?.();
    }
    this.rest();
  }

  private rest(): void {
    if (this.pending.size > 0) return;
    this.worker?.unref();
    this.idle?.();
  }
}
