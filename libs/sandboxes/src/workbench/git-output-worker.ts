import { parentPort, workerData } from 'node:worker_threads';
import { toCheckoutDiff } from './checkout-diff.js';
import type { GitOutput } from './git-output-thread.js';
import { suggestedPaths } from './suggested-paths.js';

const output = workerData as GitOutput;
parentPort!.postMessage('names' in output ? suggestedPaths(toBuffer(output.names)) : readDiff(output.diff));

function readDiff({
  baseRef,
  status,
  changes,
  patch,
  localPatch,
}: Extract<GitOutput, { diff: unknown }>['diff']): unknown {
  return toCheckoutDiff({
    baseRef: toBuffer(baseRef),
    status: toBuffer(status),
    changes: toBuffer(changes),
    patch: toBuffer(patch),
    localPatch: localPatch && toBuffer(localPatch),
  });
}

function toBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
