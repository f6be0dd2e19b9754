import { DataSource } from 'typeorm';
import { MIGRATIONS } from './apps/server/src/migrations/migrate.js';

/** For TypeORM's own command line (`typeorm migration:show -d dist/ormconfig.js`); the server never reads it. */
export default new DataSource({
  type: 'postgres',
  url: process.env['DATABASE_URL'] ?? '',
  migrations: MIGRATIONS,
});
