import { parentPort } from 'node:worker_threads';
import { DomainError, toWireError } from '#kernel';
import { ARCHIVE_JOBS, type ArchiveJob } from './archive-jobs.js';
import type { FromArchiveWorker, ToArchiveWorker } from './archive-protocol.js';

/** The chunks of one upload as they come from the main thread. */
class Inbox {
  private readonly chunks: Uint8Array[] = [];
  private ending: 'ended' | 'aborted' | null = null;
  private wake: () => void = () => undefined;

  constructor(private readonly taken: (bytes: number) => void) {}

  push(chunk: Uint8Array): void {
    this.chunks.push(chunk);
    this.wake();
  }

  end(ending: 'ended' | 'aborted'): void {
    this.ending = ending;
    this.wake();
  }

  async *read(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk = this.chunks.shift();
      if (chunk !== undefined) {
        yield chunk;
        this.taken(chunk.byteLength);
      } else if (this.ending === 'ended') return;
      else if (this.ending === 'aborted') throw new DomainError('bad_request', 'The upload ended early');
      else await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }
}

const inboxes = new Map<number, Inbox>();
const post = (message: FromArchiveWorker): void => parentPort?.postMessage(message);

async function run(id: number, job: ArchiveJob, task: unknown): Promise<void> {
  const inbox = new Inbox((bytes) => post({ id, taken: bytes }));
  inboxes.set(id, inbox);
  try {
    post({ id, result: await ARCHIVE_JOBS[job](inbox.read(), task as never) });
  } catch (error) {
    if (error instanceof DomainError) post({ id, error: toWireError(error) });
    else post({ id, crash: (error instanceof Error ? error.stack : undefined) ?? String(error) });
  } finally {
    inboxes.delete(id);
  }
}

parentPort?.on('message', (message: ToArchiveWorker) => {
  if ('job' in message) void run(message.id, message.job, message.task);
  else if ('chunk' in message) inboxes.get(message.id)?.push(message.chunk);
  else inboxes.get(message.id)?.end('ended' in message ? 'ended' : 'aborted');
});
