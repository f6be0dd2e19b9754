import { readdirSync, readFileSync } from 'node:fs';

/** Of processes that end while one looks. */
const GONE = new Set(['ENOENT', 'ESRCH']);

/** The processes below `root`, itself included, or none when it is gone. */
export function treeOf(root: number): number[] {
  const found: number[] = [];
  const waiting = [root];
  for (let pid = waiting.pop(); pid !== undefined; pid = waiting.pop()) {
    const threads = unlessGone(() => readdirSync(`/proc/${pid}/task`));
    if (threads === null) continue;
    found.push(pid);
    // Each thread has the children that it started.
    for (const thread of threads) waiting.push(...childrenOf(`/proc/${pid}/task/${thread}/children`));
  }
  return found;
}

function childrenOf(path: string): number[] {
  const pids = unlessGone(() => readFileSync(path, 'latin1')) ?? '';
  return pids.split(' ').filter(Boolean).map(Number);
}

/** Bytes of memory that the processes hold, shared pages counted for each. */
export function memoryOf(pids: readonly number[], pageBytes: number): number {
  const pagesOf = (pid: number): number =>
    Number(unlessGone(() => readFileSync(`/proc/${pid}/statm`, 'latin1'))?.split(' ')[1] ?? 0);
  return pids.reduce((sum, pid) => sum + pagesOf(pid), 0) * pageBytes;
}

/**
 * Bytes that the processes, and the ones they have outlived, have written to disks. Null for one that nobody but root may
 * look into: a program that cannot be read itself, such as one of mode 111.
 */
export function writtenBy(pids: readonly number[]): (number | null)[] {
  return pids.map((pid) => {
    try {
      const io = unlessGone(() => readFileSync(`/proc/${pid}/io`, 'latin1'));
      return Number(/^write_bytes: (\d+)$/m.exec(io ?? '')?.[1] ?? 0);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EACCES') return null;
      throw error;
    }
  });
}

export function signalAll(pids: readonly number[], name: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

function unlessGone<Result>(read: () => Result): Result | null {
  try {
    return read();
  } catch (error) {
    if (GONE.has((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  }
}

/** False for zombies too: nothing of them runs any more. */
export function isAlive(pid: number): boolean {
  const stat = unlessGone(() => readFileSync(`/proc/${pid}/stat`, 'latin1'));
  return stat !== null && !['Z', 'X'].includes(stat.slice(stat.lastIndexOf(')') + 2)[0]!);
}
