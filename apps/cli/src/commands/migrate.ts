import { dataDirOf } from '../data-dir.js';
import { openDatabase } from '../open-database.js';
import { loadMigrations } from '../server-entry.js';

/** Migrates the database of a stopped or a running server. */
export async function run(env: NodeJS.ProcessEnv): Promise<number> {
  const database = await openDatabase(env, { dataDir: dataDirOf(env), joinRunning: true });
  try {
    const { migrate } = await loadMigrations();
    await migrate(database.url);
    console.log('The database schema is up to date.');
    return 0;
  } finally {
    await database.close();
  }
}
