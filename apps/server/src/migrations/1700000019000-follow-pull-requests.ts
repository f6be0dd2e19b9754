import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Sessions are found by what a pull request is about; model jobs of a session keep a distance from each other. */
export class FollowPullRequests1700000019000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `create index captured_session_of_branch on captured_session (user_id, git_remote, git_branch, updated_at desc)
         where deleted_at is null and git_branch is not null`,
    );
    await runner.query('alter table session_audit drop constraint session_audit_trigger_check');
    await runner.query(
      `alter table session_audit add constraint session_audit_trigger_check
         check (trigger in ('manual', 'on_sync', 'on_pr'))`,
    );
    // Seconds that must have passed since the last one of its kind ended for the session.
    await runner.query('alter table model_job add column apart_seconds integer not null default 0');
    await runner.query('create index model_job_of_session on model_job (session_uid, kind, finished_at)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop index model_job_of_session');
    await runner.query('alter table model_job drop column apart_seconds');
    await runner.query('alter table session_audit drop constraint session_audit_trigger_check');
    await runner.query(`delete from session_audit where trigger = 'on_pr'`);
    await runner.query(
      `alter table session_audit add constraint session_audit_trigger_check check (trigger in ('manual', 'on_sync'))`,
    );
    await runner.query('drop index captured_session_of_branch');
  }
}
