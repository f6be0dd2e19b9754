import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * As what conversations are recorded, when that is due if not at once, and where the work they are about stands in git. No
 * foreign key to what they are recorded as: once that was purged, the id says that it is not to be recorded again.
 * A chat that was deleted stays, hidden, until it is recorded.
 */
export class LinkConversations1700000024000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const table of TABLES) {
      await runner.query(
        `alter table ${table} add captured_session_id text, add capture_due_at timestamptz, add git_remote text,
           add git_branch text, add git_commit text, add git_commits text[] not null default '{}'`,
      );
      await runner.query(
        `create index ${table}_capture_due on ${table} (capture_due_at) where capture_due_at is not null`,
      );
    }
    await runner.query('alter table chat add deleted_at timestamptz');
    await runner.query('create index chat_deleted on chat (deleted_at) where deleted_at is not null');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table chat drop deleted_at');
    for (const table of TABLES)
      await runner.query(
        `alter table ${table} drop captured_session_id, drop capture_due_at, drop git_remote, drop git_branch,
           drop git_commit, drop git_commits`,
      );
  }
}

const TABLES = ['chat', 'agent_session'];
