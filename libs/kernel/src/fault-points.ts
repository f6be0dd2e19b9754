import { writeSync } from 'node:fs';

/**
 * Named places where a crash test may kill the process. Armed once at start (never in normal operation);
 * an unarmed fault point costs one comparison.
 */
export const FAULT_POINTS = [
  'commit.pack-written',
  'commit.pack-before-fsync',
  'commit.pack-after-fsync',
  'commit.before-transaction',
  'commit.inside-group',
  'commit.after-transaction',
  'commit.before-reply',
  'projector.before-refs',
  'projector.between-refs',
  'projector.after-refs',
  'push.quarantined',
  'push.pack-linked',
  'push.before-transaction',
  'push.after-transaction',
  'maintenance.before-repack',
  'maintenance.after-repack',
  'blob.row-written',
  'blob.renamed',
  'handoff.claimed',
  'sandbox.provisioning',
  'sandbox.cloned',
  'sandbox.directory-built',
  'sandbox.directory-moved-away',
  'sandbox.provisioned',
  'sandbox.hibernating',
  'sandbox.stopped',
  'sandbox.snapshot-stored',
  'sandbox.restoring',
  'sandbox.destroying',
  'sandbox.destroyed',
] as const;

export type FaultPoint = (typeof FAULT_POINTS)[number];

/** Where a process dies: on its `nth` passage of `point` (1 = the first). */
export interface ArmedFault {
  readonly point: FaultPoint;
  readonly nth: number;
}

const STDERR = 2;

let armed: FaultPoint | undefined;
let passesLeft = 0;

/** Reads `<point>[:<nth>]`. @throws Error whose message is for the operator */
export function parseFault(setting: string): ArmedFault {
  const [name, nth = '1'] = setting.split(':');
  const point = FAULT_POINTS.find((known) => known === name);
  if (point === undefined) throw new Error(`FAULT_POINT names no fault point: ${name}`);
  if (!/^[1-9]\d*$/.test(nth)) throw new Error(`FAULT_POINT counts passages from 1, not ${nth}`);
  return { point, nth: Number(nth) };
}

/** Arms one point in this thread only: the process dies with SIGKILL on its `nth` passage. */
export function armFaultPoint(point: FaultPoint, nth = 1): void {
  armed = point;
  passesLeft = nth;
}

export function faultPoint(point: FaultPoint): void {
  if (armed !== point) return;
  passesLeft -= 1;
  if (passesLeft > 0) return;
  // Past every buffer: the crash test counts a point as hit only when it reads this.
  writeSync(STDERR, `fault point ${point} reached\n`);
  process.kill(process.pid, 'SIGKILL');
}
