import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMainThread } from 'node:worker_threads';

type CollectGarbage = (options: { type: 'minor' | 'major' }) => void;

/**
 * The main thread's heap is large: only its young part is looked at, which takes about a millisecond. A worker's is
 * small and cannot keep anybody waiting, and what it passes on lives long enough to grow old.
 */
const PACE = isMainThread
  ? ({ type: 'minor', everyBytes: 4 * 1_048_576 } as const)
  : ({ type: 'major', everyBytes: 8 * 1_048_576 } as const);

let collect: CollectGarbage | undefined;
let passed = 0;

/**
 * To be told of every chunk that only passes through this thread. Such chunks lie outside V8's heap, where it lets some
 * 64 MB of them die in each thread before it collects: during a large upload, memory for nothing.
 */
export function bufferPassed(bytes: number): void {
  passed += bytes;
  if (passed < PACE.everyBytes) return;
  passed = 0;
  collect ??= exposedCollector();
  collect({ type: PACE.type });
}

function exposedCollector(): CollectGarbage {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as CollectGarbage;
}
