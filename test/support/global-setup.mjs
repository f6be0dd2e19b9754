import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';

const PREFIX = 'roundhouse-test-';
const EMBEDDED = new URL('../../dist/libs/platform/src/database/embedded/embedded-postgres.js', import.meta.url);

/**
 * One PostgreSQL for the whole jest run, shared by the projects that list this file: TEST_DATABASE_URL, or an
 * embedded one in a temporary folder that ends with this process however it dies. Specs ask test/support/database.ts.
 */
export default async function globalSetup() {
  globalThis.roundhouseTestDatabase ??= startDatabase();
  const { url, run } = await globalThis.roundhouseTestDatabase;
  process.env.ROUNDHOUSE_TEST_DATABASE_URL = url;
  process.env.ROUNDHOUSE_TEST_RUN = run;
}

async function startDatabase() {
  const run = randomBytes(4).toString('hex');
  const given = process.env.TEST_DATABASE_URL;
  if (given) return { url: given, run, stop: async () => undefined };
  if (!existsSync(EMBEDDED)) throw new Error('dist/ is missing: run "npx nest build" before the tests.');

  removeLeftovers();
  const { EmbeddedPostgres } = await import(EMBEDDED.href);
  const dataDir = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`));
  // Nothing here outlives the run, so nothing has to survive a power cut.
  const settings = { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off' };
  const postgres = new EmbeddedPostgres({ dataDir, settings });
  const { url } = await postgres.start();
  await cheapenLogins(url);
  const stop = async () => {
    await postgres.stop();
    rmSync(dataDir, { recursive: true, force: true });
  };
  return { url, run, stop };
}

/** Every server logs in a dozen times, each time with thousands of rounds of hashing that protect nobody here. */
async function cheapenLogins(url) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query('set scram_iterations = 1');
  await client.query(`alter role current_user password ${pg.escapeLiteral(new URL(url).password)}`);
  await client.end();
}

/** Folders of runs that were killed before their teardown. */
function removeLeftovers() {
  for (const name of readdirSync(tmpdir())) {
    const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (pid && !existsSync(`/proc/${pid}`)) rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}
