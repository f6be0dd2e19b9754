const { performance } = globalThis;

/** A pair that takes longer than this is repeated fewer times. */
const SLOW_PAIR_MS = 1_000;
const SLOW_PAIRS = 12;
/** And one that takes longer than this, fewer still. */
const SLOWEST_PAIR_MS = 10_000;
const SLOWEST_PAIRS = 5;
const WARM_UPS = 3;

/** Nearest-rank percentile of numbers in any order; `share` from 0 to 1. */
export function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))];
}

export const median = (values) => percentile(values, 0.5);

export async function timed(work) {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

/**
 * Runs both sides in turn, the other one first in every second pair, so that whatever else the machine does hits both.
 * `ours` and `theirs` get the number of the pair and answer milliseconds; the first pairs warm up and do not count.
 * @returns the milliseconds of both sides, pair by pair
 */
export async function interleave(wanted, ours, theirs) {
  const result = { ours: [], theirs: [] };
  let pairs = wanted;
  for (let index = -WARM_UPS; index < pairs; index += 1) {
    const number = index + WARM_UPS;
    const took = {};
    const sides = [async () => (took.ours = await ours(number)), async () => (took.theirs = await theirs(number))];
    for (const side of index % 2 === 0 ? sides : sides.reverse()) await side();
    if (index < 0) continue;
    result.ours.push(took.ours);
    result.theirs.push(took.theirs);
    const pairMs = median(result.ours) + median(result.theirs);
    if (index === 2 && pairMs > SLOW_PAIR_MS) {
      pairs = Math.min(pairs, pairMs > SLOWEST_PAIR_MS ? SLOWEST_PAIRS : SLOW_PAIRS);
    }
  }
  return result;
}

/** Median of the ratios of pairs. */
export function pairedRatio({ ours, theirs }) {
  return median(ours.map((value, index) => value / theirs[index]));
}

export function summary(values) {
  return { p50: median(values), p99: percentile(values, 0.99), min: Math.min(...values), max: Math.max(...values) };
}
