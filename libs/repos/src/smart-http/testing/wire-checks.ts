import { randomInt } from 'node:crypto';
import fc from 'fast-check';
import { DomainError } from '#kernel';
import { parsePkts, pktText } from '../pkt-line.js';

/** Randomised tests run this often, from this seed; both can be given in the environment to repeat a run. */
export const ROUNDS = Number(process.env['ROUNDS'] ?? 300);
export const SEED = Number(process.env['SEED'] ?? randomInt(2 ** 31));

/** Checks a property; a failure prints the seed that repeats it. */
export function property<T>(arbitrary: fc.Arbitrary<T>, check: (value: T) => Promise<void> | void): Promise<void> {
  return fc.assert(
    fc.asyncProperty(arbitrary, async (value) => check(value)),
    { seed: SEED, numRuns: ROUNDS },
  );
}

/** What `bytes` say, one line per packet; specials in brackets. */
export function spelled(bytes: Buffer): string[] {
  return parsePkts(bytes).map((pkt) => (pkt.type === 'data' ? pktText(pkt.data) : `[${pkt.type}]`));
}

/** The code of the DomainError that `work` ends with, or `accepted`; other errors pass through. */
export async function refusal(work: () => unknown): Promise<string> {
  try {
    await work();
    return 'accepted';
  } catch (error) {
    if (error instanceof DomainError) return error.code;
    throw error;
  }
}
