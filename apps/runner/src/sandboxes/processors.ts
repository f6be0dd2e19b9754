import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Which processors the commands of a sandbox run on, so that programs which ask how many there are start as many threads
 * as its share is good for. The share itself is kept by the limits.
 */
export class Processors {
  private readonly chosen = new Map<string, readonly number[]>();
  private next = 0;

  constructor(private readonly all: readonly number[]) {}

  /** Those of this process. None to choose from where the program that sets them is missing. */
  static ofThisProcess(searchPath: string): Processors {
    const isSettable = searchPath.split(':').some((folder) => existsSync(join(folder, 'taskset')));
    const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    return new Processors(isSettable && list !== undefined ? numbersOf(list) : []);
  }

  /** A command that becomes the next one on the sandbox's processors; empty where those are all there are. */
  become(sandboxId: string, cpus: number): string[] {
    const count = Math.ceil(cpus);
    if (count >= this.all.length) return [];
    let mine = this.chosen.get(sandboxId);
    if (mine?.length !== count) {
      mine = Array.from({ length: count }, (_, n) => this.all[(this.next + n) % this.all.length]!);
      this.next = (this.next + count) % this.all.length;
      this.chosen.set(sandboxId, mine);
    }
    return ['taskset', '-c', mine.join(',')];
  }

  forget(sandboxId: string): void {
    this.chosen.delete(sandboxId);
  }
}

/** `0-2,5` as the kernel lists numbers. */
export function numbersOf(list: string): number[] {
  return list.split(',').flatMap((range) => {
    const [from, to = from] = range.split('-').map(Number) as [number, number?];
    return Array.from({ length: to - from + 1 }, (_, n) => from + n);
  });
}
