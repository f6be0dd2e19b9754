import type { MigrationInterface, QueryRunner } from 'typeorm';

/** As what conversations are recorded. No foreign key: once that was purged, the id says that it is not to be recorded again. */
export class LinkConversations1700000024000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const table of TABLES) await runner.query(`alter table ${table} add captured_session_id text`);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of TABLES) await runner.query(`alter table ${table} drop captured_session_id`);
  }
}

const TABLES = ['chat', 'agent_session'];
