import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { statfsSync } from 'node:fs';

/** Free space that is left to the server and everybody else on the disk. */
const FREE_KEPT_BYTES = 256 * 1_048_576;
/** What may be written before anybody measures what it comes to. */
const UNMEASURED_BYTES = 64 * 1_048_576;
const UNMEASURED_SHARE = 1 / 8;
/** A full workspace is measured again so often while somebody writes: files may have been deleted. */
const AGAIN_MS = 1_000;

/**
 * How full one workspace is, for as long as commands write to it. Measuring walks through all of it, so it is done only
 * once much has been written; a workspace nobody writes much to is never measured.
 */
export class DiskSpace {
  private used: number | null = null;
  private measuredAt = -Infinity;
  /** When the measurement that `used` is from began. */
  private measuredFrom = -Infinity;
  private unmeasured = 0;
  private isMeasuring = false;

  constructor(
    private readonly workspace: string,
    private readonly searchPath: string,
  ) {}

  /**
   * Takes note of what a command has written since the last time; true when there is no room for more than `limit` bytes in
   * all. Nobody is judged by a measurement from before it began (`performance.now()`): it may have made room.
   */
  write(bytes: number, limit: number, commandBegan: number): boolean {
    if (bytes === 0) return false;
    this.unmeasured += bytes;
    if (!this.isMeasuring && this.isDue(limit)) void this.measure();
    const { bavail, bsize } = statfsSync(this.workspace);
    if (bavail * bsize < FREE_KEPT_BYTES) return true;
    return this.used !== null && this.used > limit && this.measuredFrom > commandBegan;
  }

  private isDue(limit: number): boolean {
    if (this.unmeasured >= Math.min(UNMEASURED_BYTES, limit * UNMEASURED_SHARE)) return true;
    if (this.used === null || this.used + this.unmeasured <= limit) return false;
    return performance.now() - this.measuredAt >= AGAIN_MS;
  }

  private async measure(): Promise<void> {
    this.isMeasuring = true;
    const began = performance.now();
    this.unmeasured = 0;
    try {
      this.used = await diskUsage(this.workspace, this.searchPath);
      this.measuredFrom = began;
    } catch (error) {
      process.stderr.write(`sandbox runner: a workspace could not be measured: ${String(error)}\n`);
    }
    this.measuredAt = performance.now();
    this.isMeasuring = false;
  }
}

/** Bytes on disk, files with several names counted once. What is deleted meanwhile is not minded. */
export async function diskUsage(folder: string, searchPath: string): Promise<number> {
  const child = spawn('du', ['-sxB1', '--', folder], {
    env: { PATH: searchPath, LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let text = '';
  child.stdout.on('data', (data: Buffer) => (text += data.toString('latin1')));
  await once(child, 'close');
  const bytes = /^\d+/.exec(text)?.[0];
  if (bytes === undefined) throw new Error('du said nothing');
  return Number(bytes);
}
