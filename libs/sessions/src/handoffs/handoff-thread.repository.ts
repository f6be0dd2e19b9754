import { Injectable } from '@nestjs/common';
import { Database, type Principal } from '#platform';
import type { HandoffComment, HandoffEvent } from './handoff.js';

/** Comments or events answered at once. */
export const MAX_THREAD = 200;

export interface NewHandoffEvent extends Pick<HandoffEvent, 'type' | 'payload' | 'createdAt'> {
  /** Null when time did it. */
  readonly actor: Principal | null;
}

/** What was said about a handoff and what happened to it, both in order. */
@Injectable()
export class HandoffThreadRepository {
  constructor(private readonly db: Database) {}

  async insertComment(comment: HandoffComment): Promise<void> {
    await this.db.query(
      'insert into handoff_comment (id, handoff_id, author_id, content, created_at) values ($1, $2, $3, $4, $5)',
      [comment.id, comment.handoffId, comment.authorId, comment.content, comment.createdAt],
    );
  }

  /** Oldest first, those after the comment `after`; none when it is none of this handoff. */
  comments(handoffId: string, limit: number, after: string | null): Promise<HandoffComment[]> {
    return this.db.query<HandoffComment>(
      `select id, handoff_id as "handoffId", author_id as "authorId", content, created_at as "createdAt"
         from handoff_comment
        where handoff_id = $1
          and ($3::text is null or seq > (select seq from handoff_comment where handoff_id = $1 and id = $3))
        order by seq limit $2`,
      [handoffId, limit, after],
    );
  }

  /** The same for each of the handoffs. */
  async insertEvents(
    handoffIds: readonly string[],
    { type, actor, payload, createdAt }: NewHandoffEvent,
  ): Promise<void> {
    const isPerson = actor?.kind === 'user_key';
    await this.db.query(
      `insert into handoff_event (handoff_id, type, actor_user_id, actor_type, service_key_id, service_key_name,
         payload, created_at)
       select id, $2, $3::uuid, $4, $5::uuid, $6, $7::jsonb, $8::timestamptz from unnest($1::text[]) id`,
      [
        handoffIds,
        type,
        actor?.userId ?? null,
        actor && (isPerson ? 'user' : 'service_key'),
        actor && !isPerson ? actor.keyId : null,
        actor && !isPerson ? actor.keyName : null,
        JSON.stringify(payload),
        createdAt,
      ],
    );
  }

  /** Oldest first, those after the event `after`. */
  events(handoffId: string, limit: number, after: string | null): Promise<HandoffEvent[]> {
    return this.db.query<HandoffEvent>(
      `select id::text, handoff_id as "handoffId", type, actor_user_id as "actorUserId", payload,
              created_at as "createdAt"
         from handoff_event where handoff_id = $1 and ($3::bigint is null or id > $3) order by handoff_event.id limit $2`,
      [handoffId, limit, after],
    );
  }
}
