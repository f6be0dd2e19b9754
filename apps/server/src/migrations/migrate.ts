import { runMigrations } from 'bullmq';
import pg from 'pg';
import { DataSource } from 'typeorm';
import { JOBS_SCHEMA } from '#platform';
import { CreateFoundation1700000000000 } from './1700000000000-create-foundation.js';
import { CreateOrganisations1700000001000 } from './1700000001000-create-organisations.js';
import { CreateMailOutbox1700000002000 } from './1700000002000-create-mail-outbox.js';
import { ExtendKeys1700000003000 } from './1700000003000-extend-keys.js';
import { CreateBilling1700000004000 } from './1700000004000-create-billing.js';
import { SealAudit1700000005000 } from './1700000005000-seal-audit.js';
import { CreateSso1700000006000 } from './1700000006000-create-sso.js';
import { CreateBlobs1700000010000 } from './1700000010000-create-blobs.js';
import { CreateCapturedSessions1700000011000 } from './1700000011000-create-captured-sessions.js';
import { IndexCapturedSessions1700000012000 } from './1700000012000-index-captured-sessions.js';
import { CreateSharing1700000013000 } from './1700000013000-create-sharing.js';
import { CreateSessionSettings1700000014000 } from './1700000014000-create-session-settings.js';
import { CreateSessionAudits1700000015000 } from './1700000015000-create-session-audits.js';
import { CreateHandoffs1700000016000 } from './1700000016000-create-handoffs.js';
import { CreateAutosyncAndDlp1700000017000 } from './1700000017000-create-autosync-and-dlp.js';
import { IndexSessionsForUpkeep1700000018000 } from './1700000018000-index-sessions-for-upkeep.js';
import { FollowPullRequests1700000019000 } from './1700000019000-follow-pull-requests.js';
import { CreateSandboxes1700000020000 } from './1700000020000-create-sandboxes.js';
import { CreateExecutions1700000021000 } from './1700000021000-create-executions.js';
import { ManageSandboxes1700000022000 } from './1700000022000-manage-sandboxes.js';
import { CreateAgentRuns1700000023000 } from './1700000023000-create-agent-runs.js';
import { LinkConversations1700000024000 } from './1700000024000-link-conversations-to-captured-sessions.js';
import { CreateSkills1700000026000 } from './1700000026000-create-skills.js';
import { CreateAccountSandboxes1700000028000 } from './1700000028000-create-account-sandboxes.js';
import { CreatePreviews1700000029000 } from './1700000029000-create-previews.js';

/** The one timeline, oldest first. A migration that has shipped is never edited. */
export const MIGRATIONS = [
  CreateFoundation1700000000000,
  CreateOrganisations1700000001000,
  CreateMailOutbox1700000002000,
  ExtendKeys1700000003000,
  CreateBilling1700000004000,
  SealAudit1700000005000,
  CreateSso1700000006000,
  CreateBlobs1700000010000,
  CreateCapturedSessions1700000011000,
  IndexCapturedSessions1700000012000,
  CreateSharing1700000013000,
  CreateSessionSettings1700000014000,
  CreateSessionAudits1700000015000,
  CreateHandoffs1700000016000,
  CreateAutosyncAndDlp1700000017000,
  IndexSessionsForUpkeep1700000018000,
  FollowPullRequests1700000019000,
  CreateSandboxes1700000020000,
  CreateExecutions1700000021000,
  ManageSandboxes1700000022000,
  CreateAgentRuns1700000023000,
  LinkConversations1700000024000,
  CreateSkills1700000026000,
  CreateAccountSandboxes1700000028000,
  CreatePreviews1700000029000,
];

/** Any fixed number: all Roundhouse processes of a database agree on it. */
const MIGRATION_LOCK = 7_264_001;

/** Brings the database to this release: our schema, then the job queues'. Safe to run from several processes at once. */
export async function migrate(databaseUrl: string): Promise<void> {
  const lock = new pg.Client({ connectionString: databaseUrl });
  await lock.connect();
  try {
    await lock.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
    const source = new DataSource({
      type: 'postgres',
      url: databaseUrl,
      migrations: MIGRATIONS,
      migrationsTransactionMode: 'each',
    });
    await source.initialize();
    try {
      await source.runMigrations();
    } finally {
      await source.destroy();
    }
    await runMigrations(lock, JOBS_SCHEMA);
  } finally {
    await lock.end();
  }
}
