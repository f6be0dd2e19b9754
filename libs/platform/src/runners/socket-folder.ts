import { lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmdirSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { geteuid } from 'node:process';

/** The path of a unix socket may not exceed 107 bytes; the rest is for the names of the folder and the socket. */
const LONGEST_PARENT = 40;
const NAME = /^roundhouse-[a-z]+-([0-9a-z]+)\.([0-9a-z]+)\.([0-9a-z]+)-\w{6}$/;
/** Of folders that somebody uses or removes at the same moment, or that hold what is not ours. */
const LEFT_ALONE = new Set(['ENOENT', 'ENOTEMPTY', 'EBUSY', 'EACCES', 'EPERM']);

/** Where those folders were cleared away that dead processes have left. */
const swept = new Set<string>();

/**
 * A new folder for sockets, open to its owner only; its name says whose it is. Before the first one, the folders of
 * processes that are gone are removed: who is killed removes nothing.
 *
 * @param name lower-case letters
 */
export function newSocketFolder(name: string, parent = socketParent()): string {
  if (!swept.has(parent)) sweepSocketFolders(parent);
  swept.add(parent);
  return mkdtempSync(join(parent, `roundhouse-${name}-${ownerMark()}-`));
}

export function sweepSocketFolders(parent: string): void {
  const here = processSpace();
  for (const name of readdirSync(parent)) {
    const [, space, pid, start] = NAME.exec(name) ?? [];
    // Which processes of another name space are alive cannot be seen from here.
    if (space === undefined || space !== here || startOf(parseInt(pid!, 36)) === start) continue;
    removeSockets(join(parent, name));
  }
}

/** DATA_DIR and the system's folder for temporary files may be too deep. */
function socketParent(): string {
  return tmpdir().length <= LONGEST_PARENT ? tmpdir() : '/tmp';
}

/** The name space of process ids, the id, and when the process began, which no later one with its id has in common. */
function ownerMark(): string {
  return [processSpace(), process.pid.toString(36), startOf(process.pid)].join('.');
}

function processSpace(): string {
  return Number(/\d+/.exec(readlinkSync('/proc/self/ns/pid'))![0]).toString(36);
}

function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]).toString(36);
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  }
}

/** Only sockets and empty folders: whatever else may be there, or mounted there, is not worth the risk. */
function removeSockets(folder: string): void {
  try {
    const { uid } = lstatSync(folder);
    if (uid !== geteuid!()) return;
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isSocket()) unlinkSync(path);
      else if (entry.isDirectory()) rmdirSync(path);
    }
    rmdirSync(folder);
  } catch (error) {
    if (!LEFT_ALONE.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}
