import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';

/** DATA_DIR as an absolute path. */
export function dataDirOf(env: NodeJS.ProcessEnv): string {
  return resolve(env['DATA_DIR'] || './data');
}

/** Creates the folder for this user alone: it holds keys, and repositories of many accounts. */
export function createDataDir(dataDir: string): void {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new Error(`The data folder ${dataDir} cannot be created: ${(error as Error).message}`, { cause: error });
  }
}
