import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, truncateSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServerProcess } from './server-process.js';

const SCRIPT = 'mount -t tmpfs -o size=16m,nr_inodes=2k tmpfs "$0" && exec "$@"';
const UNSHARE = process.getuid?.() === 0 ? ['unshare', '-m'] : ['unshare', '-r', '-m'];

/** Why this machine cannot give a server a small file system of its own; null when it can. */
export function smallDiskRefusal(): string | null {
  const folder = mkdtempSync(join(tmpdir(), 'rh-disk-'));
  const [program, ...args] = [...UNSHARE, 'sh', '-c', SCRIPT, folder, 'true'];
  const { status, stderr, error } = spawnSync(program!, args, { encoding: 'utf8' });
  rmSync(folder, { recursive: true });
  return status === 0 ? null : (error?.message ?? stderr.trim());
}

/** A server whose repositories lie on 16 MB and 2,048 files that only it can see, and ways to use them up. */
export class SmallDisk {
  readonly dataDir = mkdtempSync(join(tmpdir(), 'roundhouse-small-'));
  readonly server: ServerProcess;

  constructor(databaseUrl: string) {
    const repos = join(this.dataDir, 'repos');
    mkdirSync(repos);
    const wrap = [...UNSHARE, 'sh', '-c', SCRIPT, repos];
    this.server = ServerProcess.spawn({ dataDir: this.dataDir, databaseUrl, wrap });
  }

  /** The mounted folder as seen from outside. */
  get repos(): string {
    return `/proc/${this.server.pid}/root${this.dataDir}/repos`;
  }

  /** Leaves `spare` bytes free. */
  fill(spare = 0): void {
    const block = Buffer.alloc(4096, 1);
    const file = openSync(join(this.repos, 'filler'), 'w');
    let size = 0;
    try {
      for (;;) size += writeSync(file, block);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    } finally {
      closeSync(file);
    }
    truncateSync(join(this.repos, 'filler'), size - spare);
  }

  free(): void {
    rmSync(join(this.repos, 'filler'));
  }

  /** Leaves room for `spare` more files, however much space there is. */
  fillFiles(spare: number): void {
    const folder = join(this.repos, 'fillers');
    mkdirSync(folder);
    let count = 0;
    try {
      for (;;) {
        closeSync(openSync(join(folder, String(count)), 'wx'));
        count += 1;
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
    for (let freed = 0; freed < spare; freed += 1) rmSync(join(folder, String((count -= 1))));
  }

  freeFiles(): void {
    rmSync(join(this.repos, 'fillers'), { recursive: true });
  }

  async close(): Promise<void> {
    await this.server.stop();
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}
