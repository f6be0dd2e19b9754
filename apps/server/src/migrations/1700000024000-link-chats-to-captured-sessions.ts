import type { MigrationInterface, QueryRunner } from 'typeorm';

/** As what a chat is recorded. No foreign key: once that was purged, the id says that it is not to be recorded again. */
export class LinkChatsToCapturedSessions1700000024000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('alter table chat add captured_session_id text');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table chat drop captured_session_id');
  }
}
