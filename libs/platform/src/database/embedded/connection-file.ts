import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';

/** What another program of this machine (the CLI, psql) needs to reach the embedded database. */
export interface EmbeddedConnection {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** Folder of the unix socket, for `psql -h`. */
  readonly socketDir: string;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

const FILE = 'connection.json';
const USER = 'roundhouse';
const DATABASE = 'roundhouse';

/** Reads `DATA_DIR/pg/connection.json`; undefined when there is none. */
export function readConnection(pgDir: string): EmbeddedConnection | undefined {
  const file = join(pgDir, FILE);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as EmbeddedConnection) : undefined;
}

/** Writes the file whole or not at all, readable by its owner only. */
export function writeConnection(pgDir: string, connection: EmbeddedConnection): void {
  const draft = join(pgDir, `.${FILE}.tmp`);
  writeFileSync(draft, JSON.stringify(connection, null, 2) + '\n', { mode: 0o600, flush: true });
  renameSync(draft, join(pgDir, FILE));
}

/** A connection description with the given password, or with a new random one. */
export function describeConnection(
  port: number,
  socketDir: string,
  password = randomBytes(24).toString('hex'),
): EmbeddedConnection {
  const host = '127.0.0.1';
  const url = `postgres://${USER}:${password}@${host}:${port}/${DATABASE}`;
  return { url, host, port, socketDir, user: USER, password, database: DATABASE };
}

/** The preferred port when nobody listens on it, else one that the kernel says is free. */
export async function freePort(preferred: number): Promise<number> {
  return (await tryPort(preferred)) ?? (await tryPort(0))!;
}

function tryPort(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(undefined));
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const { port: found } = probe.address() as AddressInfo;
      probe.close(() => resolve(found));
    });
  });
}
