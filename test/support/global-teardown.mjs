import pg from 'pg';

/** Undoes global-setup.mjs once, whichever project's teardown comes first: jest runs them after all projects. */
export default async function globalTeardown() {
  const started = globalThis.roundhouseTestDatabase;
  if (started === undefined) return;
  globalThis.roundhouseTestDatabase = undefined;
  const { url, run, stop } = await started;
  if (process.env.TEST_DATABASE_URL) await dropDatabases(url, run);
  await stop();
}

async function dropDatabases(url, run) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query('select datname from pg_database where datname like $1', [`rh\\_${run}\\_%`]);
    for (const { datname } of rows) await client.query(`drop database "${datname}" with (force)`);
  } finally {
    await client.end();
  }
}
