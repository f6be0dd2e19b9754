import { Injectable } from '@nestjs/common';
import { Database } from '#platform';
import { storableJson } from '../archive/storable.js';
import type { JsonValue } from '../conversation/json.js';
import type { Narrative } from '../conversation/narrative.js';
import type { ConversationSummary } from '../conversation/summary.js';
import type { ModelProblem } from '../models/model-job.js';
import type { SessionOwner } from '../sessions.repository.js';
import type { Trigger } from '../settings/settings.repository.js';
import type { StoredNarrative, StoredSummary, SummaryListItem, SummaryListQuery } from './summary.js';

interface SummaryRow extends Omit<StoredSummary, 'narrative'> {
  readonly narrative: Narrative | null;
  readonly model: string;
  readonly narrativeVersionId: string;
}

const COLUMNS = `version_id::text as "versionId", summary, summarized_at as "summarizedAt", narrative,
  narrative_model as model, narrative_version_id::text as "narrativeVersionId",
  narrative_problem as "narrativeProblem"`;

function toStored({ narrative, model, narrativeVersionId, ...row }: SummaryRow): StoredSummary {
  return { ...row, narrative: narrative && { ...narrative, model, versionId: narrativeVersionId } };
}

/** What came out of conversations and models may hold what jsonb refuses. */
const toJsonb = (value: object): string => JSON.stringify(storableJson(value as JsonValue));

/** Every query on summaries. */
@Injectable()
export class SummariesRepository {
  constructor(private readonly db: Database) {}

  async find(sessionUid: string): Promise<StoredSummary | null> {
    const [row] = await this.db.query<SummaryRow>(`select ${COLUMNS} from session_summary where session_uid = $1`, [
      sessionUid,
    ]);
    return row ? toStored(row) : null;
  }

  /** Keeps the summary, unless there is one of a newer version. Null when the session is gone. */
  async save(
    sessionUid: string,
    versionId: string,
    summary: ConversationSummary,
    now: Date,
  ): Promise<StoredSummary | null> {
    const [row] = await this.db.query<SummaryRow>(
      `insert into session_summary as y (session_uid, version_id, summary, summarized_at)
       select uid, $2, $3, $4 from captured_session where uid = $1
       on conflict (session_uid) do update set
         summary = case when y.version_id > excluded.version_id then y.summary else excluded.summary end,
         summarized_at = case when y.version_id > excluded.version_id then y.summarized_at else excluded.summarized_at end,
         version_id = greatest(y.version_id, excluded.version_id)
       returning ${COLUMNS}`,
      [sessionUid, versionId, toJsonb(summary), now],
    );
    return row ? toStored(row) : null;
  }

  /** Keeps the narrative, unless there is one of a newer version. */
  async saveNarrative(sessionUid: string, { model, versionId, ...told }: StoredNarrative, now: Date): Promise<void> {
    await this.db.query(
      `update session_summary set narrative = $2, narrative_model = $3, narrative_version_id = $4, narrated_at = $5,
         narrative_problem = null
        where session_uid = $1 and coalesce(narrative_version_id, 0) <= $4`,
      [sessionUid, toJsonb(told), model, versionId, now],
    );
  }

  /** The narrative that is there stays. */
  async saveProblem(sessionUid: string, problem: ModelProblem): Promise<void> {
    await this.db.query('update session_summary set narrative_problem = $2 where session_uid = $1', [
      sessionUid,
      toJsonb(problem),
    ]);
  }

  /** Whose narrative is none of the current version, or null: it had one, or its owner wants one by that trigger. */
  async findOutdated(sessionUid: string, trigger: Trigger): Promise<SessionOwner | null> {
    const [row] = await this.db.query<SessionOwner>(
      `select s.account_id as "accountId", s.user_id as "userId"
         from captured_session s join app_user u on u.id = s.user_id and u.is_active
         left join session_summary y on y.session_uid = s.uid
         left join session_settings t on t.user_id = s.user_id
        where s.uid = $1 and s.deleted_at is null and y.narrative_version_id is distinct from s.version_id
          and (y.narrative is not null or t.summarize_trigger = $2)`,
      [sessionUid, trigger],
    );
    return row ?? null;
  }

  /** The owner's live sessions, newest first; one more than `limit`. */
  list(owner: SessionOwner, { since, until, after, limit }: SummaryListQuery): Promise<SummaryListItem[]> {
    return this.db.query<SummaryListItem>(
      `select s.uid, s.id as "sessionId", s.title, s.source_tool as tool, s.message_count as "messageCount",
              s.created_at as "createdAt", y.summary
         from captured_session s left join session_summary y on y.session_uid = s.uid and y.version_id = s.version_id
        where s.account_id = $1 and s.user_id = $2 and s.deleted_at is null
          and ($3::timestamptz is null or s.created_at >= $3) and ($4::timestamptz is null or s.created_at <= $4)
          and ($5::timestamptz is null or (s.created_at, s.uid) < ($5, $6::uuid))
        order by s.created_at desc, s.uid desc limit $7`,
      [owner.accountId, owner.userId, since, until, after?.createdAt ?? null, after?.uid ?? null, limit + 1],
    );
  }
}
