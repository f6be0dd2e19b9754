import { Worker } from 'node:worker_threads';
import { compiledEntry, fromWireError, type SpooledBlob } from '#kernel';
import type { FromSnapshotWorker, SnapshotWork, ToSnapshotWorker } from './snapshot-protocol.js';
import type { TakenSnapshot } from './take-snapshot.js';

const HEAP = { maxOldGenerationSizeMb: 256 };

/** What the main thread does for the thread of a snapshot. */
export interface SnapshotServices {
  keep(spooled: SpooledBlob): Promise<void>;
  /** Brings the blob of that index to a file; answers its path. */
  fetch(index: number): Promise<string>;
}

/** Does one piece of work in a thread of its own; the signal, or what a service throws, ends it. */
export async function inSnapshotThread(
  work: SnapshotWork,
  services: SnapshotServices,
  signal: AbortSignal,
): Promise<TakenSnapshot | null> {
  signal.throwIfAborted();
  const worker = new Worker(compiledEntry('libs/sandboxes/src/snapshots/snapshot-worker.js'), {
    workerData: work,
    resourceLimits: HEAP,
  });
  const answer = (path: string | null): void => worker.postMessage({ path } satisfies ToSnapshotWorker);
  try {
    return await new Promise((resolve, reject) => {
      const serve = async (message: FromSnapshotWorker): Promise<void> => {
        if ('keep' in message) answer((await services.keep(message.keep), null));
        else if ('fetch' in message) answer(await services.fetch(message.fetch));
        else if ('done' in message) resolve(message.done);
        else reject('error' in message ? fromWireError(message.error) : new Error(message.crash));
      };
      worker.on('message', (message: FromSnapshotWorker) => void serve(message).catch(reject));
      worker.on('error', reject);
      worker.on('exit', () => reject(new Error('The thread of a snapshot ended early')));
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
  } finally {
    await worker.terminate();
  }
}
