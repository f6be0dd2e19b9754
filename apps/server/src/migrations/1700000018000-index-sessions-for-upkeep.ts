import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What administration and upkeep look captured sessions up by, over all accounts; the client a user last pushed with. */
export class IndexSessionsForUpkeep1700000018000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('create index captured_session_by_id on captured_session (id)');
    await runner.query('create index captured_session_by_creation on captured_session (created_at desc, uid desc)');
    await runner.query(
      `alter table app_user add last_client_version text, add last_client_platform text, add last_client_device text,
         add last_sync_at timestamptz`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop index captured_session_by_id, captured_session_by_creation');
    await runner.query(
      `alter table app_user drop last_client_version, drop last_client_platform, drop last_client_device,
         drop last_sync_at`,
    );
  }
}
