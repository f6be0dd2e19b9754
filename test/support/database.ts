import { randomBytes } from 'node:crypto';
import pg from 'pg';

/** Any number that nobody else locks on the test server. */
const TEMPLATE_LOCK = 7_204_118;

export interface TestDatabase {
  readonly url: string;
  /** Ends the connections to the database and removes it. */
  drop(): Promise<void>;
}

/**
 * A fresh, migrated database for one spec file, on the server that global-setup.mjs started. The migrations run once
 * per jest run; every database is a copy of their result.
 */
export async function createTestDatabase(): Promise<TestDatabase> {
  const template = `rh_${required('ROUNDHOUSE_TEST_RUN')}_template`;
  await asAdmin((admin) => ensureTemplate(admin, template));
  return createDatabase(template);
}

/** An empty database without any schema, for tests of the migrations themselves. */
export function createEmptyDatabase(): Promise<TestDatabase> {
  return createDatabase('template1');
}

async function createDatabase(template: string): Promise<TestDatabase> {
  const name = `rh_${required('ROUNDHOUSE_TEST_RUN')}_${randomBytes(6).toString('hex')}`;
  await asAdmin((admin) => admin.query(`create database ${name} template ${template}`));
  const drop = (): Promise<void> =>
    asAdmin(async (admin) => void (await admin.query(`drop database if exists ${name} with (force)`)));
  return { url: databaseUrl(name), drop };
}

async function ensureTemplate(admin: pg.Client, template: string): Promise<void> {
  await admin.query('select pg_advisory_lock($1)', [TEMPLATE_LOCK]);
  try {
    const { rowCount } = await admin.query('select from pg_database where datname = $1', [template]);
    if (rowCount !== 0) return;
    // Built under another name: a template that exists is complete.
    const draft = `${template}_draft`;
    await admin.query(`drop database if exists ${draft} with (force)`);
    await admin.query(`create database ${draft}`);
    const { migrate } = await import('../../apps/server/src/migrations/migrate.js');
    await migrate(databaseUrl(draft));
    await admin.query(`alter database ${draft} allow_connections false`);
    await admin.query(`alter database ${draft} rename to ${template}`);
  } finally {
    await admin.query('select pg_advisory_unlock($1)', [TEMPLATE_LOCK]);
  }
}

async function asAdmin<T>(work: (admin: pg.Client) => Promise<T>): Promise<T> {
  const admin = new pg.Client({ connectionString: required('ROUNDHOUSE_TEST_DATABASE_URL') });
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.end();
  }
}

function databaseUrl(name: string): string {
  const url = new URL(required('ROUNDHOUSE_TEST_DATABASE_URL'));
  url.pathname = `/${name}`;
  return url.href;
}

function required(variable: string): string {
  const value = process.env[variable];
  if (!value) throw new Error(`${variable} is not set: this spec needs test/support/global-setup.mjs.`);
  return value;
}
