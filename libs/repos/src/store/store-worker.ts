import { existsSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { armFaultPoint, diskFull, DomainError, isDiskFull, toWireError } from '#kernel';
import { transferList } from './hand-over.js';
import type { Operation, OperationContext } from './operation.js';
import { OPERATIONS } from './operations.js';
import { repositoryGone, StoreCache } from './store-cache.js';
import type { CallMessage, ReplyMessage, WorkerStart } from './worker-protocol.js';

const SWEEP_MS = 30_000;
const stores = new StoreCache();
// Fault points are armed per thread: what the main thread armed is not known here.
const { fault } = workerData as WorkerStart;
if (fault !== undefined) armFaultPoint(fault.point, fault.nth);

function answer(call: CallMessage): ReplyMessage {
  const { id, dir } = call;
  try {
    const operation = (OPERATIONS as Record<string, Operation<never, unknown>>)[call.operation];
    if (operation === undefined) throw new Error(`unknown store operation ${call.operation}`);
    const context: OperationContext = { dir, stores, store: () => stores.open(dir) };
    return { id, value: operation.run(context, call.input as never) };
  } catch (error) {
    const isExpected = error instanceof DomainError && error.code !== 'internal';
    // Deleted while we worked: whatever was found missing is not damage.
    if (!isExpected && !existsSync(dir)) return { id, error: toWireError(repositoryGone()) };
    if (error instanceof DomainError) return { id, error: toWireError(error) };
    if (isDiskFull(error)) return { id, error: toWireError(diskFull()) };
    return { id, crash: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

setInterval(() => stores.closeIdleFiles(), SWEEP_MS).unref();

parentPort?.on('message', (call: CallMessage) => {
  const reply = answer(call);
  parentPort?.postMessage(reply, 'value' in reply ? [...transferList(reply.value)] : []);
});
