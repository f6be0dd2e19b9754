import { Injectable } from '@nestjs/common';
import type { WireDomainError } from '#kernel';
import { Database } from '#platform';
import type { WrittenReport } from '../conversation/audit/report.js';
import type { Audit, AuditJudge, AuditResult, AuditTrigger } from './audit.js';

export interface NewAudit extends AuditJudge {
  readonly id: string;
  readonly sessionUid: string;
  readonly versionId: string;
  readonly etag: string;
  readonly requestedBy: string;
  readonly trigger: AuditTrigger;
  readonly sealedKey: Buffer | null;
  /** How long it waits until somebody takes it up. */
  readonly waitSeconds: number;
  readonly createdAt: Date;
}

/** An audit that is being run here, until the lease ends. */
export interface ClaimedAudit extends Audit {
  readonly owner: string;
  readonly sealedKey: Buffer | null;
}

export interface AuditProgress {
  readonly windowsDone: number;
  readonly windowsTotal: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

export interface Dismissal {
  readonly isDismissed: boolean;
  readonly by: string | null;
  readonly reason: string | null;
}

const COLUMNS = `a.id, a.session_uid as "sessionUid",
  (select s.id from captured_session s where s.uid = a.session_uid) as "sessionId",
  (select s.account_id from captured_session s where s.uid = a.session_uid) as "accountId",
  (select s.user_id from captured_session s where s.uid = a.session_uid) as "ownerId",
  a.version_id::text as "versionId", a.etag, a.trigger, a.judge as kind, a.model, a.provider, a.base_url as "baseUrl", a.state, a.attempt, a.windows_done as "windowsDone",
  a.windows_total as "windowsTotal", a.input_tokens::float8 as "inputTokens", a.output_tokens::float8 as "outputTokens",
  a.failure, a.created_at as "createdAt", a.started_at as "startedAt", a.finished_at as "finishedAt"`;
const RESULT = `${COLUMNS}, a.total_claims as "totalClaims", a.verified, a.unverified, a.hallucinations,
  a.trust_score as "trustScore", a.execution_time_ms as "executionTimeMs"`;
const LATEST_REPORT = `select a.id from session_audit a where a.session_uid = $1 and a.state = 'completed'
  order by a.created_at desc, a.id desc limit 1`;
/** A process that does not renew for so long is gone, and its audits are begun again elsewhere. */
export const LEASE_SECONDS = 30;
/** Due now, or begun by a process that is gone. */
const IS_FREE = `((a.state = 'queued' and a.run_after <= now()) or a.lease_until < now())`;

/** Every query on audits of sessions. When they are run follows the database's clock, which all nodes share. */
@Injectable()
export class AuditsRepository {
  constructor(private readonly db: Database) {}

  /** False while another audit of the session has not ended. */
  async insert(audit: NewAudit): Promise<boolean> {
    const rows = await this.db.query(
      `insert into session_audit (id, session_uid, version_id, etag, requested_by, trigger, judge, model, provider,
         base_url, sealed_key, run_after, created_at)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, now() + make_interval(secs => $12), $13)
       on conflict (session_uid) where state in ('queued', 'running') do nothing returning id`,
      [
        audit.id,
        audit.sessionUid,
        audit.versionId,
        audit.etag,
        audit.requestedBy,
        audit.trigger,
        audit.kind,
        audit.model,
        audit.provider,
        audit.baseUrl,
        audit.sealedKey,
        audit.waitSeconds,
        audit.createdAt,
      ],
    );
    return rows.length > 0;
  }

  /** Drops the audit of a push that was not begun yet: another takes its place. */
  async dropWaiting(sessionUid: string): Promise<void> {
    await this.db.query(
      `delete from session_audit where session_uid = $1 and trigger <> 'manual' and state = 'queued' and attempt = 0`,
      [sessionUid],
    );
  }

  async find(id: string): Promise<Audit | null> {
    const [row] = await this.db.query<Audit>(`select ${COLUMNS} from session_audit a where a.id = $1`, [id]);
    return row ?? null;
  }

  /** The newest audit of the session, whatever became of it. */
  async findNewest(sessionUid: string): Promise<Audit | null> {
    const [row] = await this.db.query<Audit>(
      `select ${COLUMNS} from session_audit a where a.session_uid = $1 order by a.created_at desc, a.id desc limit 1`,
      [sessionUid],
    );
    return row ?? null;
  }

  async findUnfinished(sessionUid: string): Promise<Audit | null> {
    const [row] = await this.db.query<Audit>(
      `select ${COLUMNS} from session_audit a where a.session_uid = $1 and a.state in ('queued', 'running')`,
      [sessionUid],
    );
    return row ?? null;
  }

  async hasBegunFor(versionId: string): Promise<boolean> {
    const rows = await this.db.query('select 1 from session_audit where version_id = $1 and attempt > 0 limit 1', [
      versionId,
    ]);
    return rows.length > 0;
  }

  /** The audits whose time has come and that nobody runs, oldest first. */
  async findFree(limit: number): Promise<string[]> {
    const rows = await this.db.query<{ id: string }>(
      `select a.id from session_audit a where a.state in ('queued', 'running') and ${IS_FREE}
        order by a.run_after limit $1`,
      [limit],
    );
    return rows.map(({ id }) => id);
  }

  /** Takes an audit to run it; null when another does, or has. Its time need not have come if `isUrgent`. */
  async claim(id: string, owner: string, now: Date, isUrgent: boolean): Promise<ClaimedAudit | null> {
    const [row] = await this.db.query<ClaimedAudit>(
      `update session_audit a set state = 'running', owner = $2, attempt = attempt + 1, started_at = $3,
         lease_until = now() + make_interval(secs => $5), windows_done = 0, windows_total = 0
        where a.id = $1 and (${IS_FREE} or ($4 and a.state = 'queued'))
        returning ${COLUMNS}, a.owner, a.sealed_key as "sealedKey"`,
      [id, owner, now, isUrgent, LEASE_SECONDS],
    );
    return row ?? null;
  }

  /** False when the audit is no longer ours. */
  async renew({ id, owner }: ClaimedAudit): Promise<boolean> {
    const rows = await this.db.query(
      `update session_audit set lease_until = now() + make_interval(secs => $3)
        where id = $1 and owner = $2 and state = 'running' returning id`,
      [id, owner, LEASE_SECONDS],
    );
    return rows.length > 0;
  }

  async setProgress({ id, owner }: ClaimedAudit, progress: AuditProgress): Promise<void> {
    await this.db.query(
      `update session_audit set windows_done = $3, windows_total = $4, input_tokens = $5, output_tokens = $6
        where id = $1 and owner = $2 and state = 'running'`,
      [id, owner, progress.windowsDone, progress.windowsTotal, progress.inputTokens, progress.outputTokens],
    );
  }

  /** Gives it back, as if it had not been begun. */
  async release({ id, owner }: ClaimedAudit): Promise<void> {
    await this.db.query(
      `update session_audit set state = 'queued', owner = null, lease_until = null, run_after = now(),
         attempt = attempt - 1
        where id = $1 and owner = $2 and state = 'running'`,
      [id, owner],
    );
  }

  async fail({ id, owner }: ClaimedAudit, failure: WireDomainError, now: Date): Promise<boolean> {
    const rows = await this.db.query(
      `update session_audit set state = 'failed', failure = $3, finished_at = $4, owner = null, lease_until = null,
         sealed_key = null
        where id = $1 and owner = $2 and state = 'running' returning id`,
      [id, owner, JSON.stringify(failure), now],
    );
    return rows.length > 0;
  }

  /**
   * Stores the report. What was dismissed in the report before stays so where the same is claimed again. Part of a
   * transaction that holds the session's row, so that no dismissal slips in between.
   */
  async complete(audit: ClaimedAudit, report: WrittenReport, tookMs: number, now: Date): Promise<boolean> {
    const { summary } = report;
    const rows = await this.db.query(
      `with dismissed as (
         select f->>'message_index' as message_index, f->>'claim' as claim,
                jsonb_build_object('dismissed', true, 'dismissed_by', f->'dismissed_by',
                                   'dismissed_reason', f->'dismissed_reason') as mark
           from session_audit p, jsonb_array_elements(p.report->'findings') f
          where p.id = (${LATEST_REPORT}) and (f->>'dismissed')::boolean),
       findings as (
         select coalesce(jsonb_agg(f || coalesce(d.mark, '{}') order by n), '[]') as list
           from jsonb_array_elements($4::jsonb->'findings') with ordinality as e (f, n)
           left join dismissed d on d.message_index = f->>'message_index' and d.claim = f->>'claim')
       update session_audit a set state = 'completed', owner = null, lease_until = null, sealed_key = null,
         report = $4::jsonb || jsonb_build_object('findings', findings.list, 'execution_time_ms', $5::integer),
         execution_time_ms = $5, total_claims = $6, verified = $7, unverified = $8, hallucinations = $9,
         trust_score = $10, finished_at = $11
        from findings
        where a.session_uid = $1 and a.id = $2 and a.owner = $3 and a.state = 'running' returning a.id`,
      [
        audit.sessionUid,
        audit.id,
        audit.owner,
        report.json,
        tookMs,
        summary.total_claims,
        summary.verified,
        summary.unverified,
        summary.hallucinations,
        summary.trust_score,
        now,
      ],
    );
    return rows.length > 0;
  }

  /** The session's newest report as JSON text. */
  async findLatestReport(sessionUid: string): Promise<string | null> {
    const [row] = await this.db.query<{ report: string }>(
      `select report::text from session_audit where id = (${LATEST_REPORT})`,
      [sessionUid],
    );
    return row?.report ?? null;
  }

  async findReport(id: string): Promise<string | null> {
    const [row] = await this.db.query<{ report: string }>(
      `select report::text from session_audit where id = $1 and state = 'completed'`,
      [id],
    );
    return row?.report ?? null;
  }

  /** A completed audit with its findings and warnings as JSON text. */
  async findResult(id: string): Promise<(AuditResult & { findings: string; warnings: string }) | null> {
    const [row] = await this.db.query<AuditResult & { findings: string; warnings: string }>(
      `select ${RESULT}, (a.report->'findings')::text as findings, (a.report->'warnings')::text as warnings
         from session_audit a where a.id = $1 and a.state = 'completed'`,
      [id],
    );
    return row ?? null;
  }

  /** Completed audits, newest first; those older than `before` if given. */
  list(sessionUid: string, before: string | null, limit: number): Promise<AuditResult[]> {
    return this.db.query<AuditResult>(
      `select ${RESULT} from session_audit a
        where a.session_uid = $1 and a.state = 'completed'
          and ($2::text is null or (a.created_at, a.id) <
                (select b.created_at, b.id from session_audit b where b.id = $2 and b.session_uid = $1))
        order by a.created_at desc, a.id desc limit $3`,
      [sessionUid, before, limit],
    );
  }

  /** Marks a finding of the newest report. Answers the audit's id; null when there is none, or not that finding. */
  async dismiss(sessionUid: string, finding: number, { isDismissed, by, reason }: Dismissal): Promise<string | null> {
    const [row] = await this.db.query<{ id: string }>(
      `update session_audit a set report = jsonb_set(report, array['findings', $2::text], report->'findings'->$2::integer
           || jsonb_build_object('dismissed', $3::boolean, 'dismissed_by', $4::text, 'dismissed_reason', $5::text))
        where a.id = (${LATEST_REPORT}) and $2::integer < jsonb_array_length(report->'findings') returning a.id`,
      [sessionUid, finding, isDismissed, by, reason],
    );
    return row?.id ?? null;
  }
}
