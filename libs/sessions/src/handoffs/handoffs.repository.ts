import { Injectable } from '@nestjs/common';
import { Database } from '#platform';
import type { ProjectAnchor } from './provenance-lookup.js';
import type { Handoff, HandoffStatus } from './handoff.js';

/** As whom somebody is handed things. */
export interface RecipientIdentity {
  readonly userId: string;
  /** Null until it is shown to be theirs: who only says so is handed nothing by it. */
  readonly verifiedEmail: string | null;
  readonly teamIds: readonly string[];
}

export type NewHandoff = Omit<
  Handoff,
  | 'senderEmail'
  | 'status'
  | 'viewedAt'
  | 'claimedAt'
  | 'claimedBy'
  | 'claimerEmail'
  | 'recipientSessionId'
  | 'revokedAt'
  | 'revokedBy'
  | 'revokeReason'
> & { readonly projectId: string | null };

/** Whose handoffs a list shows. */
export type HandoffBox =
  | { readonly kind: 'sent'; readonly senderId: string; readonly accountId: string }
  | { readonly kind: 'inbox'; readonly recipient: RecipientIdentity };

export interface HandoffListQuery {
  readonly limit: number;
  readonly offset: number;
  readonly after: { readonly createdAt: string; readonly id: string } | null;
  /** As shown. */
  readonly status: HandoffStatus | null;
  /** The only projects whose handoffs are listed; null for all, also those of none. */
  readonly projectIds: readonly string[] | null;
}

export interface ExpiredHandoff {
  readonly id: string;
  readonly accountId: string;
}

const COLUMNS = `h.id, h.account_id as "accountId", h.sender_id as "senderId", sender.email as "senderEmail",
  h.session_uid as "sessionUid", h.session_id as "sessionId", h.kind, h.recipient_email as "recipientEmail",
  h.recipient_user_id as "recipientUserId", h.recipient_team_id as "recipientTeamId", h.message,
  h.session_title as "sessionTitle", h.session_tool as "sessionTool", h.session_model_id as "sessionModelId",
  h.session_message_count as "sessionMessageCount", h.session_total_tokens::float8 as "sessionTotalTokens",
  h.sender_tier as "senderTier", h.status, h.created_at as "createdAt", h.expires_at as "expiresAt",
  h.viewed_at as "viewedAt", h.claimed_at as "claimedAt", h.claimed_by as "claimedBy",
  claimer.email as "claimerEmail", h.recipient_session_id as "recipientSessionId", h.revoked_at as "revokedAt",
  h.revoked_by as "revokedBy", h.revoke_reason as "revokeReason"`;
const TABLES = `handoff h join app_user sender on sender.id = h.sender_id
  left join app_user claimer on claimer.id = h.claimed_by`;

const SENT = 'h.sender_id = $1 and h.account_id = $2';
const RECEIVED = '(h.recipient_user_id = $1 or h.recipient_email = $2 or h.recipient_team_id = any($3))';
/** `shownStatus` in SQL. */
const shown = (now: string): string =>
  `case when h.status = 'claimed' or h.expires_at > ${now} then h.status else 'expired' end`;

/** Every query on handoffs. Who may see one is judged by its reader (handoff-parties.ts). */
@Injectable()
export class HandoffsRepository {
  constructor(private readonly db: Database) {}

  async insert(handoff: NewHandoff): Promise<void> {
    await this.db.query(
      `insert into handoff (id, account_id, sender_id, session_uid, session_id, project_id, kind, recipient_email,
         recipient_user_id, recipient_team_id, message, session_title, session_tool, session_model_id,
         session_message_count, session_total_tokens, sender_tier, created_at, expires_at)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)`,
      [
        handoff.id,
        handoff.accountId,
        handoff.senderId,
        handoff.sessionUid,
        handoff.sessionId,
        handoff.projectId,
        handoff.kind,
        handoff.recipientEmail,
        handoff.recipientUserId,
        handoff.recipientTeamId,
        handoff.message,
        handoff.sessionTitle,
        handoff.sessionTool,
        handoff.sessionModelId,
        handoff.sessionMessageCount,
        handoff.sessionTotalTokens,
        handoff.senderTier,
        handoff.createdAt,
        handoff.expiresAt,
      ],
    );
  }

  async find(id: string): Promise<Handoff | null> {
    const [row] = await this.db.query<Handoff>(`select ${COLUMNS} from ${TABLES} where h.id = $1`, [id]);
    return row ?? null;
  }

  /** Newest first; one row more than `limit`. */
  list(box: HandoffBox, query: HandoffListQuery, now: Date): Promise<Handoff[]> {
    const { where, parameters } = filterOf(box, query, now);
    const at = parameters.length;
    return this.db.query<Handoff>(
      `select ${COLUMNS} from ${TABLES}
        where ${where} and ($${at + 1}::timestamptz is null
              or (date_trunc('milliseconds', h.created_at), h.id) < ($${at + 1}, $${at + 2}::text))
        order by date_trunc('milliseconds', h.created_at) desc, h.id desc limit $${at + 3} offset $${at + 4}`,
      [...parameters, query.after?.createdAt ?? null, query.after?.id ?? null, query.limit + 1, query.offset],
    );
  }

  async count(box: HandoffBox, query: HandoffListQuery, now: Date): Promise<number> {
    const { where, parameters } = filterOf(box, query, now);
    const [row] = await this.db.query<{ count: number }>(
      `select count(*)::int as count from handoff h where ${where}`,
      parameters,
    );
    return row?.count ?? 0;
  }

  /** What of the source session tells its project; null once it is gone. */
  async findAnchor(sessionUid: string): Promise<ProjectAnchor | null> {
    const [row] = await this.db.query<ProjectAnchor>(
      `select account_id as "accountId", user_id as "userId", git_remote as "gitRemote"
         from captured_session where uid = $1`,
      [sessionUid],
    );
    return row ?? null;
  }

  /** False when it is not pending any more: somebody else was first, or time was. */
  claim(id: string, { by, at, sessionId }: { by: string; at: Date; sessionId: string }): Promise<boolean> {
    return this.decide(id, at, `status = 'claimed', claimed_by = $3, claimed_at = $2, recipient_session_id = $4`, [
      by,
      sessionId,
    ]);
  }

  /** As claim. */
  revoke(id: string, { by, at, reason }: { by: string; at: Date; reason: string }): Promise<boolean> {
    return this.decide(id, at, `status = 'revoked', revoked_by = $3, revoked_at = $2, revoke_reason = $4`, [
      by,
      reason,
    ]);
  }

  /** As claim. */
  decline(id: string, at: Date): Promise<boolean> {
    return this.decide(id, at, `status = 'declined'`, []);
  }

  /** False when somebody was before. */
  async markViewed(id: string, at: Date): Promise<boolean> {
    const rows = await this.db.query(
      'update handoff set viewed_at = $2 where id = $1 and viewed_at is null returning id',
      [id, at],
    );
    return rows.length > 0;
  }

  /** Pending handoffs whose time is over, at most `limit`; those another node is dealing with are passed over. */
  expireDue(now: Date, limit: number): Promise<ExpiredHandoff[]> {
    return this.db.query<ExpiredHandoff>(
      `update handoff set status = 'expired' where id in
         (select id from handoff where status = 'pending' and expires_at <= $1 order by expires_at limit $2
           for update skip locked)
       returning id, account_id as "accountId"`,
      [now, limit],
    );
  }

  /** The one handoff, if it is pending and its time is over. */
  expireOne(id: string, now: Date): Promise<ExpiredHandoff[]> {
    return this.db.query<ExpiredHandoff>(
      `update handoff set status = 'expired' where id = $1 and status = 'pending' and expires_at <= $2
       returning id, account_id as "accountId"`,
      [id, now],
    );
  }

  /** Every pending handoff of a session, whatever its time. */
  expireOf(sessionUid: string): Promise<ExpiredHandoff[]> {
    return this.db.query<ExpiredHandoff>(
      `update handoff set status = 'expired' where session_uid = $1 and status = 'pending'
       returning id, account_id as "accountId"`,
      [sessionUid],
    );
  }

  private async decide(id: string, at: Date, change: string, more: readonly unknown[]): Promise<boolean> {
    const rows = await this.db.query(
      `update handoff set ${change} where id = $1 and status = 'pending' and expires_at > $2 returning id`,
      [id, at, ...more],
    );
    return rows.length > 0;
  }
}

function filterOf(box: HandoffBox, query: HandoffListQuery, now: Date): { where: string; parameters: unknown[] } {
  const whose =
    box.kind === 'sent'
      ? [box.senderId, box.accountId]
      : [box.recipient.userId, box.recipient.verifiedEmail, box.recipient.teamIds];
  const at = whose.length;
  const where = `${box.kind === 'sent' ? SENT : RECEIVED}
    and ($${at + 1}::text is null or ${shown(`$${at + 2}::timestamptz`)} = $${at + 1})
    and ($${at + 3}::text[] is null or h.project_id = any($${at + 3}))`;
  return { where, parameters: [...whose, query.status, now, query.projectIds] };
}
