import { dataDirOf } from '../data-dir.js';
import { openDatabase } from '../open-database.js';

/** Migrates the database of a stopped or a running server. */
export async function run(env: NodeJS.ProcessEnv): Promise<number> {
  const database = await openDatabase(env, { dataDir: dataDirOf(env), joinRunning: true });
  try {
    const { migrate } = await import('../../../server/src/migrations/migrate.js');
    await migrate(database.url);
    console.log('The database schema is up to date.');
    return 0;
  } finally {
    await database.close();
  }
}
