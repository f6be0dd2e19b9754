import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { compiledEntry } from '#kernel';
import { type CheckoutDiff, type DiffParts, toCheckoutDiff } from './checkout-diff.js';
import { type SuggestedPath, suggestedPaths } from './suggested-paths.js';

/** Bytes of git's that are read in a millisecond or two; what is longer would keep the main thread from everybody else. */
const READ_AT_ONCE = 32_768;
const HEAP = { maxOldGenerationSizeMb: 256 };

/** What a thread is started with. A buffer comes out at its other end as plain bytes. */
export type GitOutput = { readonly names: Uint8Array } | { readonly diff: Bytes<DiffParts> };

type Bytes<Parts> = { readonly [Name in keyof Parts]: Uint8Array | Extract<Parts[Name], null> };

/** As `suggestedPaths`, much of it in a thread of its own. */
export async function readSuggestedPaths(names: Buffer): Promise<SuggestedPath[]> {
  return names.length <= READ_AT_ONCE ? suggestedPaths(names) : readInThread<SuggestedPath[]>({ names });
}

/** As `toCheckoutDiff`, much of it in a thread of its own. */
export async function readCheckoutDiff(diff: DiffParts): Promise<CheckoutDiff> {
  const bytes = Object.values(diff).reduce((sum, part: Buffer | null) => sum + (part?.length ?? 0), 0);
  return bytes <= READ_AT_ONCE ? toCheckoutDiff(diff) : readInThread<CheckoutDiff>({ diff });
}

async function readInThread<Result>(output: GitOutput): Promise<Result> {
  const worker = new Worker(compiledEntry('libs/sandboxes/src/workbench/git-output-worker.js'), {
    workerData: output,
    resourceLimits: HEAP,
  });
  try {
    const [result] = (await once(worker, 'message')) as [Result];
    return result;
  } finally {
    await worker.terminate();
  }
}
