import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, mkdirSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Where a server's own secrets live: outside the database, so that a copy of the one is useless without the other. */
export function secretsFolder(dataDir: string): string {
  return join(dataDir, 'secrets');
}

/** The text of `DATA_DIR/secrets/<name>` (0600); on the first start `make` writes it. */
export function readOrCreateSecret(dataDir: string, name: string, make: () => string): string {
  const folder = secretsFolder(dataDir);
  const path = join(folder, name);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const existing = readSecret(dataDir, name);
  if (existing !== null) return existing;
  const candidate = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  const file = openSync(candidate, 'wx', 0o600);
  writeSync(file, make());
  fsyncSync(file);
  closeSync(file);
  try {
    // link() never replaces: of two first starts at once, one wins and both read the winner's.
    linkSync(candidate, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    unlinkSync(candidate);
  }
  return readFileSync(path, 'utf8').trim();
}

/** Null when no server has made it yet. */
export function readSecret(dataDir: string, name: string): string | null {
  try {
    return readFileSync(join(secretsFolder(dataDir), name), 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
