import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import pg from 'pg';
import { createEmptyDatabase, type TestDatabase } from '../../../../test/support/database.js';
import { loadConfig } from '#platform';
import { createApplication, drain } from '../application.js';
import { migrate, MIGRATIONS } from './migrate.js';

interface Column {
  readonly table_name: string;
  readonly column_name: string;
  readonly is_nullable: 'YES' | 'NO';
  readonly udt_name: string;
}

/** TypeORM's column types in PostgreSQL's own short names. */
const UDT: Readonly<Record<string, string>> = {
  'timestamp with time zone': 'timestamptz',
  boolean: 'bool',
  integer: 'int4',
  bigint: 'int8',
};

describe('the schema', () => {
  let database: TestDatabase;

  beforeEach(async () => {
    database = await createEmptyDatabase();
  });

  afterEach(async () => {
    await database.drop();
  });

  it('is built from nothing, by several processes at once, and a second time changes nothing', async () => {
    await Promise.all([migrate(database.url), migrate(database.url), migrate(database.url)]);
    await migrate(database.url);
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    const { rows } = await client.query('select name from migrations order by id');
    await client.end();
    expect(rows.map((row: { name: string }) => row.name)).toEqual(MIGRATIONS.map((migration) => migration.name));
  });

  it('goes down to nothing and up again', async () => {
    await migrate(database.url);
    const source = new DataSource({ type: 'postgres', url: database.url, migrations: MIGRATIONS });
    await source.initialize();
    for (const _ of MIGRATIONS) await source.undoLastMigration();
    const left = await source.query(
      "select tablename from pg_tables where schemaname = 'public' and tablename <> 'migrations'",
    );
    await source.destroy();
    expect(left).toEqual([]);
    await migrate(database.url);
  });

  it('holds every column that an entity maps, with its type and nullability', async () => {
    await migrate(database.url);
    const folder = await mkdtemp(join(tmpdir(), 'roundhouse-schema-'));
    const config = loadConfig({
      DATABASE_URL: database.url,
      DATA_DIR: folder,
      LOG_LEVEL: 'silent',
      STORE_WORKERS: '1',
    });
    const app = await createApplication(config);
    try {
      const source = app.get(DataSource);
      const columns: Column[] = await source.query(
        "select table_name, column_name, is_nullable, udt_name from information_schema.columns where table_schema = 'public'",
      );
      expect(source.entityMetadatas.length).toBeGreaterThan(3);
      for (const entity of source.entityMetadatas) {
        for (const mapped of entity.columns) {
          const name = `${entity.tableName}.${mapped.databaseName}`;
          const column = columns.find((found) => `${found.table_name}.${found.column_name}` === name);
          const type = source.driver.normalizeType(mapped);
          const udt = (mapped.isArray ? '_' : '') + (UDT[type] ?? type);
          expect({ name, type: column?.udt_name, nullable: column?.is_nullable }).toEqual({
            name,
            type: udt,
            nullable: mapped.isNullable ? 'YES' : 'NO',
          });
        }
      }
    } finally {
      await drain(app, config);
      await rm(folder, { recursive: true, force: true });
    }
  });
});
