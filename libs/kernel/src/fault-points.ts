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
] as const;

export type FaultPoint = (typeof FAULT_POINTS)[number];

let armed: FaultPoint | undefined;
let passesLeft = 0;

/** Arms one point: the process dies with SIGKILL on its `nth` passage (1 = the first). */
export function armFaultPoint(point: FaultPoint, nth = 1): void {
  armed = point;
  passesLeft = nth;
}

export function faultPoint(point: FaultPoint): void {
  if (armed !== point) return;
  passesLeft -= 1;
  if (passesLeft <= 0) process.kill(process.pid, 'SIGKILL');
}
