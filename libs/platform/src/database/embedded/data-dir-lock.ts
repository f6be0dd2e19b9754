import { createHash, randomBytes } from 'node:crypto';
import { linkSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createConnection, createServer, type Server } from 'node:net';
import { join } from 'node:path';

const ANSWER_MS = 2_000;

/**
 * Makes one live process the owner of a folder. The lock is an abstract unix socket named after the folder: the
 * kernel drops it with its owner, however that dies, so there is no stale lock to judge. The secret in `owner.lock`
 * keeps other users of the machine from taking the name.
 */
export class DataDirLock {
  private constructor(private readonly server: Server) {}

  /** Fails with a readable text when another live process owns the folder. */
  static async acquire(folder: string): Promise<DataDirLock> {
    const name = socketName(folder);
    const server = createServer((socket) => socket.on('error', () => socket.destroy()).end(String(process.pid)));
    try {
      await new Promise<void>((resolve, reject) => server.once('error', reject).listen(name, resolve));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      const owner = await ownerOf(name);
      throw new Error(
        `The data folder ${folder} is in use by another server (process ${owner ?? 'unknown'}). ` +
          'Stop it first, or give this one a DATA_DIR of its own.',
        { cause: error },
      );
    }
    server.unref();
    return new DataDirLock(server);
  }

  /** Process id of the folder's live owner, if there is one. */
  static async findOwner(folder: string): Promise<number | undefined> {
    return ownerOf(socketName(folder));
  }

  release(): void {
    this.server.close();
  }
}

function socketName(folder: string): string {
  const { dev, ino } = statSync(folder);
  const hash = createHash('sha256')
    .update(`${folderSecret(folder)} ${dev} ${ino}`)
    .digest('hex');
  return `\0roundhouse-${hash.slice(0, 40)}`;
}

function folderSecret(folder: string): string {
  const file = join(folder, 'owner.lock');
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, randomBytes(16).toString('hex'), { mode: 0o600 });
  try {
    // A link appears whole or not at all, so two first starts agree on one secret.
    linkSync(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft, { force: true });
  }
  return readFileSync(file, 'utf8');
}

function ownerOf(name: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = createConnection(name);
    const finish = (): void => {
      socket.destroy();
      resolve(answer === '' ? undefined : Number(answer));
    };
    socket.setTimeout(ANSWER_MS, finish);
    socket
      .on('data', (chunk) => (answer += chunk.toString()))
      .on('end', finish)
      .on('error', finish);
  });
}
