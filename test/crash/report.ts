import { FAULT_POINTS } from '../../libs/kernel/src/index.js';
import type { Tally } from './cycles.js';

/** The table a soak ends with, on standard output. */
export function report(tally: Tally, run: { seed: number; seconds: number }): void {
  const rows: [string, string | number][] = [
    ['seed', run.seed],
    ['seconds', run.seconds.toFixed(0)],
    ['cycles', tally.cycles],
    ['killed at random, the server', tally.kills.server],
    ['killed at random, the whole tree', tally.kills.tree],
    ['killed at a fault point', tally.kills.fault],
    ['start until ready, mean ms', (tally.startMilliseconds / Math.max(1, tally.starts)).toFixed(0)],
    ['writes acknowledged', tally.acknowledged],
    ['acknowledged writes compared', tally.verified],
    ['retries after a crash, answered again', tally.retries.replayed],
    ['retries after a crash, done then', tally.retries.performed],
    ['retries after a crash, still claimed', tally.retries.refused],
    ['5xx from a living server', tally.failures],
    ['problems (lost, half done, disagreeing)', tally.problems.length],
    ...FAULT_POINTS.map((point): [string, number] => [`hits of ${point}`, tally.hits.get(point) ?? 0]),
    ...(tally.speaksGit ? [] : ([['git over HTTP', 'not served: no pushes']] as [string, string][])),
  ];
  print(rows.map(([name, value]) => `${name.padEnd(42)} ${String(value).padStart(12)}`).join('\n'));
}

export function progress(planned: number, rounds: number, tally: Tally): void {
  print(`${planned}/${rounds} cycles, ${tally.kills.fault} at fault points, ${tally.problems.length} problems`);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
