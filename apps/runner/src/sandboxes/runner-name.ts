import { readFileSync } from 'node:fs';

/** By which what a runner leaves behind is told from what belongs to a living one: several may share a machine. */
export function ownName(): string {
  return `${process.pid}-${startOf(process.pid)}`;
}

/** Whether the runner of that name runs no more. */
export function isGone(name: string): boolean {
  const [pid, start] = name.split('-');
  return startOf(Number(pid)) !== start;
}

/** The moment a process started, so that a number which another one has now is not taken for it; null when it is gone. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  }
}
