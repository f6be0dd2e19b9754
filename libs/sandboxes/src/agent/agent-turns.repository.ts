import { Injectable } from '@nestjs/common';
import { Database, type LlmMessage } from '#platform';
import { IDLE_MS } from '../agent-sessions/agent-session.js';
import type { ToolAnswer } from './agent-loop.js';

/** Which session a run is for and when something happens to it. */
export interface Turn {
  readonly sandboxId: string;
  readonly runId: string;
}

/** Every query on the conversations of agent sessions: what was said, what clients were asked, whether one is busy. */
@Injectable()
export class AgentTurnsRepository {
  constructor(private readonly db: Database) {}

  /** The session is busy from now on, and ends with its ttl. False when it has ended or is about to go. */
  async occupy({ sandboxId, runId }: Turn, now: Date): Promise<boolean> {
    const rows = await this.db.query(
      `with used as (
         update sandbox set last_activity_at = $3 where id = $1 and state is distinct from 'destroying'
         returning id, created_at)
       update agent_session a set response_id = $2, ends_at = used.created_at + a.ttl_seconds * interval '1 second'
         from used where a.sandbox_id = used.id and a.ends_at > $3 returning 1`,
      [sandboxId, runId, now],
    );
    return rows.length > 0;
  }

  /** The session is idle again: its clock runs from the end of its last response (sandbox-sessions.md §B3.5). */
  async release({ sandboxId, runId }: Turn, now: Date): Promise<void> {
    await this.db.query(
      `with used as (update sandbox set last_activity_at = $3 where id = $1 returning id, created_at)
       update agent_session a set response_id = null,
           ends_at = case when a.persistent then a.ends_at else least(a.ends_at, $4) end
         from used where a.sandbox_id = used.id and a.response_id = $2`,
      [sandboxId, runId, now, new Date(now.getTime() + IDLE_MS)],
    );
  }

  /** Adds to the conversation; nothing once the run has ended, when another one may have gone on. */
  async say({ sandboxId, runId }: Turn, messages: readonly LlmMessage[]): Promise<void> {
    const texts = messages.map((message) => JSON.stringify(message));
    await this.db.query(
      `insert into agent_message (sandbox_id, run_id, message, bytes)
       select $1, $2, text::json, octet_length(text) from unnest($3::text[]) with ordinality as said (text, place)
        where exists (select 1 from agent_run where id = $2 and ended_at is null) order by place`,
      [sandboxId, runId, texts],
    );
  }

  /** The newest messages of at most so many bytes together, oldest first; the last one in any case. */
  async conversation(sandboxId: string, maxBytes: number): Promise<LlmMessage[]> {
    const rows = await this.db.query<{ message: LlmMessage }>(
      `select message from (
         select position, message, bytes, sum(bytes) over (order by position desc) as total
           from agent_message where sandbox_id = $1) m
        where total <= $2 or total = bytes order by position`,
      [sandboxId, maxBytes],
    );
    return rows.map(({ message }) => message);
  }

  /** A call whose id was used before in the run is another one. */
  async expectToolCall(runId: string, id: string): Promise<void> {
    await this.db.query(
      `insert into agent_tool_call (run_id, id) values ($1, $2)
       on conflict (run_id, id) do update set content = null, answered_at = null`,
      [runId, id],
    );
  }

  async findToolCall(runId: string, id: string): Promise<{ readonly answer: ToolAnswer | null } | null> {
    const [row] = await this.db.query<{ isAnswered: boolean; content: string | null; isError: boolean }>(
      `select answered_at is not null as "isAnswered", content, is_error as "isError"
         from agent_tool_call where run_id = $1 and id = $2`,
      [runId, id],
    );
    if (!row) return null;
    return { answer: row.isAnswered ? { content: row.content ?? '', isError: row.isError } : null };
  }

  /** False when there is no such call, or it has its answer. */
  async answerToolCall(runId: string, id: string, { content, isError }: ToolAnswer): Promise<boolean> {
    const rows = await this.db.query(
      `update agent_tool_call set content = $3, is_error = $4, answered_at = now()
        where run_id = $1 and id = $2 and answered_at is null returning 1`,
      [runId, id, JSON.stringify(content), isError],
    );
    return rows.length > 0;
  }
}
