import { ApiProperty } from '@nestjs/swagger';
import { encodeKeyset } from '#platform';
import {
  type Handoff,
  HANDOFF_STATUSES,
  type HandoffComment,
  type HandoffEvent,
  shownStatus,
} from '../handoffs/handoff.js';
import type { HandoffDetail, HandoffPage } from '../handoffs/handoffs.service.js';

const nullable = (type: 'string' | 'integer'): object => ({ nullable: true, type });
const nullableTime: object = { format: 'date-time', nullable: true, type: 'string' };
const NO_ITEMS = { type: 'array', items: { type: 'object', additionalProperties: true } } as const;

export class CapturedHandoffComment {
  @ApiProperty({ example: 'hcm_0a1b2c3d4e5f6071' }) id!: string;
  @ApiProperty() handoff_id!: string;
  @ApiProperty(nullable('string')) author_user_id!: string | null;
  @ApiProperty({ description: 'As it was written: escape it before it becomes HTML' }) content!: string;
  @ApiProperty({ format: 'date-time' }) created_at!: string;

  static from(comment: HandoffComment): CapturedHandoffComment {
    return {
      id: comment.id,
      handoff_id: comment.handoffId,
      author_user_id: comment.authorId,
      content: comment.content,
      created_at: comment.createdAt.toISOString(),
    };
  }
}

export class CapturedHandoffEvent {
  @ApiProperty() id!: number;
  @ApiProperty() handoff_id!: string;
  @ApiProperty({ enum: ['created', 'viewed', 'commented', 'claimed', 'revoked', 'declined', 'expired'] })
  event_type!: string;
  @ApiProperty({ description: 'Null when time did it', ...nullable('string') }) actor_user_id!: string | null;
  @ApiProperty({ type: 'object', additionalProperties: true }) payload!: Record<string, unknown>;
  @ApiProperty({ format: 'date-time' }) created_at!: string;

  static from(event: HandoffEvent): CapturedHandoffEvent {
    return {
      id: Number(event.id),
      handoff_id: event.handoffId,
      event_type: event.type,
      actor_user_id: event.actorUserId,
      payload: { ...event.payload },
      created_at: event.createdAt.toISOString(),
    };
  }
}

/** sessionfs-1.md §9.2. What hangs on projects is empty as long as sessions belong to none. */
export class CapturedHandoff {
  @ApiProperty({ example: 'hnd_0123456789ABCDEFGHIJab' }) id!: string;
  @ApiProperty() session_id!: string;
  @ApiProperty({ description: "The claimer's copy", ...nullable('string') }) recipient_session_id!: string | null;
  @ApiProperty() sender_email!: string;
  @ApiProperty(nullable('string')) recipient_email!: string | null;
  @ApiProperty(nullable('string')) recipient_user_id!: string | null;
  @ApiProperty(nullable('string')) recipient_team_id!: string | null;
  @ApiProperty({ enum: ['individual', 'team'] }) handoff_kind!: string;
  @ApiProperty(nullable('string')) message!: string | null;
  @ApiProperty({ enum: HANDOFF_STATUSES }) status!: string;
  @ApiProperty(nullable('string')) session_title!: string | null;
  @ApiProperty(nullable('string')) session_tool!: string | null;
  @ApiProperty(nullable('string')) session_model_id!: string | null;
  @ApiProperty(nullable('integer')) session_message_count!: number | null;
  @ApiProperty(nullable('integer')) session_total_tokens!: number | null;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ format: 'date-time' }) expires_at!: string;
  @ApiProperty(nullableTime) claimed_at!: string | null;
  @ApiProperty(nullableTime) viewed_at!: string | null;
  @ApiProperty(nullableTime) revoked_at!: string | null;
  @ApiProperty(nullable('string')) revoked_by_user_id!: string | null;
  @ApiProperty(nullable('string')) revoke_reason!: string | null;
  @ApiProperty(nullable('string')) sender_tier_snapshot!: string | null;
  @ApiProperty(nullable('string')) ticket_id!: string | null;
  @ApiProperty(nullable('string')) persona_name!: string | null;
  @ApiProperty(nullable('string')) snapshot_ticket_title!: string | null;
  @ApiProperty(nullable('string')) snapshot_persona_name!: string | null;
  @ApiProperty(NO_ITEMS) attachments!: object[];
  @ApiProperty({ type: [CapturedHandoffComment], description: 'The first 200; in a detail only' })
  comments!: CapturedHandoffComment[];
  @ApiProperty({ type: [CapturedHandoffEvent], description: 'The first 200; in a detail only' })
  events!: CapturedHandoffEvent[];
  @ApiProperty({ type: 'object', nullable: true, additionalProperties: true }) active_ticket_payload!: object | null;
  @ApiProperty(NO_ITEMS) dropped_attachments!: object[];

  static from(handoff: Handoff, now: number): CapturedHandoff {
    return {
      id: handoff.id,
      session_id: handoff.sessionId,
      recipient_session_id: handoff.recipientSessionId,
      sender_email: handoff.senderEmail,
      recipient_email: handoff.recipientEmail,
      recipient_user_id: handoff.recipientUserId,
      recipient_team_id: handoff.recipientTeamId,
      handoff_kind: handoff.kind,
      message: handoff.message,
      status: shownStatus(handoff, now),
      session_title: handoff.sessionTitle,
      session_tool: handoff.sessionTool,
      session_model_id: handoff.sessionModelId,
      session_message_count: handoff.sessionMessageCount,
      session_total_tokens: handoff.sessionTotalTokens,
      created_at: handoff.createdAt.toISOString(),
      expires_at: handoff.expiresAt.toISOString(),
      claimed_at: handoff.claimedAt?.toISOString() ?? null,
      viewed_at: handoff.viewedAt?.toISOString() ?? null,
      revoked_at: handoff.revokedAt?.toISOString() ?? null,
      revoked_by_user_id: handoff.revokedBy,
      revoke_reason: handoff.revokeReason,
      sender_tier_snapshot: handoff.senderTier,
      ...NO_PROJECT,
      attachments: [],
      comments: [],
      events: [],
      dropped_attachments: [],
    };
  }

  static fromDetail({ handoff, comments, events }: HandoffDetail, now: number): CapturedHandoff {
    return {
      ...CapturedHandoff.from(handoff, now),
      comments: comments.map((comment) => CapturedHandoffComment.from(comment)),
      events: events.map((event) => CapturedHandoffEvent.from(event)),
    };
  }
}

const NO_PROJECT = {
  ticket_id: null,
  persona_name: null,
  snapshot_ticket_title: null,
  snapshot_persona_name: null,
  active_ticket_payload: null,
} as const;

export class CapturedHandoffList {
  @ApiProperty({ type: [CapturedHandoff] }) handoffs!: CapturedHandoff[];
  @ApiProperty() total!: number;
  @ApiProperty() has_more!: boolean;
  @ApiProperty({ description: 'Position after this page, for `cursor`', ...nullable('string') })
  next_cursor!: string | null;

  static from({ handoffs, total, hasMore }: HandoffPage, now: number): CapturedHandoffList {
    const last = handoffs.at(-1);
    return {
      handoffs: handoffs.map((handoff) => CapturedHandoff.from(handoff, now)),
      total,
      has_more: hasMore,
      next_cursor: hasMore && last ? encodeKeyset([last.createdAt.toISOString(), last.id]) : null,
    };
  }
}
