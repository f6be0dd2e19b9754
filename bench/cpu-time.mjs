import { readdirSync, readFileSync } from 'node:fs';

/** Ticks of /proc per second: fixed on Linux. */
const TICKS = 100;

/**
 * Milliseconds of CPU that a process, its descendants and the children they have waited for have used; undefined where
 * there is no /proc. Unlike times it does not depend on what else the machine does.
 */
export function cpuTime(pid) {
  try {
    const processes = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .flatMap(read);
    const family = new Set([pid]);
    for (let size = 0; size < family.size;) {
      size = family.size;
      for (const entry of processes) if (family.has(entry.parent)) family.add(entry.pid);
    }
    const ticks = processes.filter((entry) => family.has(entry.pid)).reduce((sum, entry) => sum + entry.ticks, 0);
    return (ticks * 1000) / TICKS;
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function read(name) {
  try {
    const text = readFileSync(`/proc/${name}/stat`, 'latin1');
    // The name of the program, in brackets, may hold anything.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const ticks = [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index]), 0);
    return [{ pid: Number(name), parent: Number(fields[1]), ticks }];
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return [];
    throw error;
  }
}
