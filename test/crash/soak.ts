import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FAULT_POINTS, type FaultPoint } from '../../libs/kernel/src/index.js';
import { EmbeddedPostgres } from '../../libs/platform/src/index.js';
import { newTally, type Tally, World } from './cycles.js';
import { Random } from './random.js';
import { progress, report } from './report.js';

/** Of each fault point in a run of full length; in a shorter one fewer. */
const HITS_WANTED = 10;
const FULL_ROUNDS = 300;
const SHORT_POINTS: readonly FaultPoint[] = [
  'commit.before-transaction',
  'commit.after-transaction',
  'projector.between-refs',
];
/** Cycles beyond the asked ones that may go into points that were armed and not reached. */
const EXTRA_SHARE = 0.2;

export interface SoakResult {
  readonly problems: readonly string[];
  /** Fault points that were not hit as often as wanted. */
  readonly missed: readonly string[];
}

/**
 * Kills a server over and over. `rounds` null is the short version. One world keeps its PostgreSQL while the server
 * dies, the other loses its embedded one with the whole process tree.
 */
export async function runSoak(rounds: number | null): Promise<SoakResult> {
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  const random = new Random(seed);
  const tally = newTally();
  const started = Date.now();
  const folder = mkdtempSync(join(tmpdir(), 'roundhouse-crash-db-'));
  const postgres = new EmbeddedPostgres({ dataDir: folder });
  const { url } = await postgres.start();
  const lasting = new World(url, random, tally);
  const mortal = new World(undefined, random, tally);
  try {
    if (rounds === null) await runShort(lasting, mortal);
    else await runLong(rounds, [lasting, mortal], random, tally);
    await lasting.finish();
    await mortal.finish();
  } finally {
    await postgres.stop();
    report(tally, { seed, seconds: (Date.now() - started) / 1000 });
  }
  if (tally.problems.length === 0) {
    for (const used of [folder, lasting.folder, mortal.folder]) rmSync(used, { recursive: true, force: true });
  } else tally.problems.push(`Kept for inspection: ${lasting.folder} ${mortal.folder}; SEED=${seed}`);
  return {
    problems: tally.problems,
    missed:
      rounds === null ? missing(tally, SHORT_POINTS, 1) : missing(tally, reachablePoints(tally), hitsWanted(rounds)),
  };
}

async function runShort(lasting: World, mortal: World): Promise<void> {
  const first = async (): Promise<void> => {
    for (const kill of [...SHORT_POINTS, 'server'] as const) await lasting.cycle(kill);
  };
  const second = async (): Promise<void> => {
    for (const kill of ['tree', 'tree'] as const) await mortal.cycle(kill);
  };
  await bothLanes([first(), second()]);
}

/** Both worlds side by side, one per core, until the rounds are done and every point was hit often enough. */
async function runLong(rounds: number, worlds: readonly World[], random: Random, tally: Tally): Promise<void> {
  let planned = 0;
  const work = async (world: World): Promise<void> => {
    for (;;) {
      const isExtra = planned >= rounds;
      if (isExtra && missing(tally, reachablePoints(tally), hitsWanted(rounds)).length === 0) return;
      if (planned >= rounds * (1 + EXTRA_SHARE) || tally.problems.length > 0) return;
      planned += 1;
      const isRandom = !isExtra && planned % 2 === 0;
      await world.cycle(isRandom ? random.pick(['server', 'tree'] as const) : rarest(tally, random));
      if (planned % 10 === 0) progress(planned, rounds, tally);
    }
  };
  await bothLanes(worlds.map(work));
}

/** Waits for both even when one fails: no server may outlive the test. */
async function bothLanes(lanes: readonly Promise<void>[]): Promise<void> {
  for (const lane of await Promise.allSettled(lanes)) {
    if (lane.status === 'rejected') throw lane.reason;
  }
}

/** The point with the fewest hits, so that those which are hard to reach get more tries. */
function rarest(tally: Tally, random: Random): FaultPoint {
  const points = reachablePoints(tally);
  const hits = (point: FaultPoint): number => tally.hits.get(point) ?? 0;
  const fewest = Math.min(...points.map(hits));
  // Another one as well, now and then: a point that cannot be reached must not take all the rounds.
  return random.pick(points.filter((point) => hits(point) <= fewest + (random.chance(0.3) ? 3 : 0)));
}

/** Without git over HTTP nobody passes the points of a push; the workload stores no blobs (blobs.e2e-spec.ts does). */
function reachablePoints(tally: Tally): FaultPoint[] {
  const commits = FAULT_POINTS.filter((point) => !/^(?:blob|handoff|sandbox)\./.test(point));
  return commits.filter((point) => tally.speaksGit || !point.startsWith('push.'));
}

function hitsWanted(rounds: number): number {
  return Math.min(HITS_WANTED, Math.floor((HITS_WANTED * rounds) / FULL_ROUNDS));
}

function missing(tally: Tally, points: readonly FaultPoint[], wanted: number): string[] {
  return points
    .filter((point) => (tally.hits.get(point) ?? 0) < wanted)
    .map((point) => `${point} was hit ${tally.hits.get(point) ?? 0} times, wanted ${wanted}`);
}
