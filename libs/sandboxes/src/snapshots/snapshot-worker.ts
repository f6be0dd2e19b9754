import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { DomainError, isDiskFull, diskFull, toWireError } from '#kernel';
import { restoreSnapshot } from './restore-snapshot.js';
import type { FromSnapshotWorker, SnapshotWork, ToSnapshotWorker } from './snapshot-protocol.js';
import { takeSnapshot } from './take-snapshot.js';

const port = parentPort!;

async function ask(message: FromSnapshotWorker): Promise<string | null> {
  const answered = once(port, 'message') as Promise<[ToSnapshotWorker]>;
  port.postMessage(message);
  const [{ path }] = await answered;
  return path;
}

async function work(): Promise<FromSnapshotWorker> {
  const { kind, how } = workerData as SnapshotWork;
  if (kind === 'take') return { done: await takeSnapshot(how, async (keep) => void (await ask({ keep }))) };
  await restoreSnapshot(how, async (fetch) => (await ask({ fetch }))!);
  return { done: null };
}

function failure(error: unknown): FromSnapshotWorker {
  if (error instanceof DomainError) return { error: toWireError(error) };
  if (isDiskFull(error)) return { error: toWireError(diskFull()) };
  return { crash: (error instanceof Error ? error.stack : undefined) ?? String(error) };
}

const last = await work().catch(failure);
port.postMessage(last);
port.close();
