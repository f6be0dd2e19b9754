import { type BigIntStats, constants } from 'node:fs';
import {
  type FileHandle,
  lchown,
  mkdir,
  open,
  opendir,
  readlink,
  rename,
  rmdir,
  lstat,
  unlink,
} from 'node:fs/promises';
import { geteuid } from 'node:process';
import { ifAbsent } from '#kernel';

/** Linux's O_PATH, which Node does not name: a directory to start from, for which no right to read it is needed. */
const O_PATH = 0o10000000;
const DIRECTORY = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/**
 * An open directory. Everything is done relative to it, one name at a time and without following links, as openat(2)
 * would: whoever swaps a directory for a link meanwhile changes nothing for those who have it open.
 */
export class Directory {
  private constructor(private readonly handle: FileHandle) {}

  /** A folder of ours, by its path. */
  static async at(path: string): Promise<Directory> {
    return new Directory(await open(path, DIRECTORY));
  }

  /** Errors: ENOENT; ENOTDIR for what is no directory, links included; ELOOP for links on some file systems. */
  async open(name: string): Promise<Directory> {
    return new Directory(await open(this.pathOf(name), DIRECTORY));
  }

  /** The same directory once more, to be closed by itself. */
  again(): Promise<Directory> {
    return Directory.at(`/proc/self/fd/${this.handle.fd}/.`);
  }

  /** Opens without waiting for the other end of a pipe, and never follows a link. */
  async openFile(name: string, flags: number, mode?: number): Promise<FileHandle> {
    const file = await open(this.pathOf(name), flags | constants.O_NOFOLLOW | constants.O_NONBLOCK, mode);
    if ((flags & constants.O_CREAT) !== 0) await this.handOver((uid, gid) => file.chown(uid, gid));
    return file;
  }

  /** Null when there is nothing of that name. */
  stat(name: string): Promise<BigIntStats | null> {
    return lstat(this.pathOf(name), { bigint: true }).catch((error: unknown) => {
      if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
      throw error;
    });
  }

  /** Its own. */
  statItself(): Promise<BigIntStats> {
    return this.handle.stat({ bigint: true });
  }

  readLink(name: string): Promise<string> {
    return readlink(this.pathOf(name));
  }

  /** True when it was made, false when the name was taken. */
  async makeDirectory(name: string): Promise<boolean> {
    try {
      await mkdir(this.pathOf(name), 0o755);
      // Somebody may have taken it away again already.
      await this.handOver((uid, gid) => lchown(this.pathOf(name), uid, gid).catch(ifAbsent(undefined)));
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw error;
    }
  }

  removeFile(name: string): Promise<void> {
    return unlink(this.pathOf(name));
  }

  removeDirectory(name: string): Promise<void> {
    return rmdir(this.pathOf(name));
  }

  /** Replaces what is called `name` in `target`, a link there too. */
  move(own: string, target: Directory, name: string): Promise<void> {
    return rename(this.pathOf(own), target.pathOf(name));
  }

  /** Names in no order. */
  async *names(): AsyncGenerator<string> {
    const entries = await opendir(`/proc/self/fd/${this.handle.fd}/.`);
    for await (const { name } of entries) yield name;
  }

  /** Makes new, moved and removed names survive a power cut. */
  async sync(): Promise<void> {
    const readable = await open(`/proc/self/fd/${this.handle.fd}/.`, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await readable.sync();
    } finally {
      await readable.close();
    }
  }

  close(): Promise<void> {
    return this.handle.close();
  }

  /** What root makes here belongs to whom the directory belongs: sandboxes are another user than the server then. */
  private async handOver(to: (uid: number, gid: number) => Promise<void>): Promise<void> {
    if (geteuid!() !== 0) return;
    const { uid, gid } = await this.handle.stat();
    if (uid !== 0) await to(uid, gid);
  }

  private pathOf(name: string): string {
    // The callers' walk lets nothing else through; a slip here would leave the workspace.
    if (name === '' || name === '.' || name === '..' || name.includes('/') || name.includes('\0'))
      throw new Error(`not a file name: ${JSON.stringify(name)}`);
    return `/proc/self/fd/${this.handle.fd}/${name}`;
  }
}
