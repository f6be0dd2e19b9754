import { Injectable } from '@nestjs/common';
import { Database } from '#platform';
import type { AgentSession } from './agent-session.js';
import type { Metadata } from './metadata.js';

/** Keyset position: the (created_at, id) of the last session seen. */
export interface AgentSessionPosition {
  readonly createdAt: string;
  readonly id: string;
}

export interface AgentSessionFilter {
  /** Only those without a response under way. */
  readonly isIdle: boolean;
  /** Only those without activity since then. */
  readonly inactiveSince: Date | null;
}

const COLUMNS = `s.id, s.account_id as "accountId", s.user_id as "userId", s.state, s.version, s.error,
  s.last_activity_at as "lastActivityAt", s.created_at as "createdAt", s.updated_at as "updatedAt", a.persistent,
  a.ttl_seconds as "ttlSeconds", a.ends_at as "endsAt", a.metadata, a.file_access as "fileAccess", a.model, a.tools,
  a.response_id as "responseId", a.captured_session_id as "capturedSessionId"`;
const TABLES = 'sandbox s join agent_session a on a.sandbox_id = s.id';
/** What has ended does not exist any more, even before it is cleared away. */
const LIVE = `s.state is distinct from 'destroying' and a.ends_at > $2`;

/** Every query on sandboxes as the agent surface sees them. Times are the application's. */
@Injectable()
export class AgentSessionsRepository {
  constructor(private readonly db: Database) {}

  /** Creations of one account wait for each other until the transaction ends, so that its limit holds. */
  async lockAccount(accountId: string): Promise<void> {
    await this.db.query(`select pg_advisory_xact_lock(hashtextextended('agent-sessions:' || $1, 0))`, [accountId]);
  }

  async count(accountId: string, now: Date): Promise<number> {
    const [row] = await this.db.query<{ count: string }>(
      `select count(*) from ${TABLES} where s.account_id = $1 and ${LIVE}`,
      [accountId, now],
    );
    return Number(row?.count ?? 0);
  }

  /** `instructions`: what the workspace tells its agent. False when the id is taken. */
  async insert(session: AgentSession, instructions: string): Promise<boolean> {
    const rows = await this.db.query(
      `with made as (
         insert into sandbox (id, surface, account_id, user_id, state, last_activity_at, created_at, updated_at)
         values ($1, 'agent', $2, $3, $4, $5, $6, $6) on conflict (id) do nothing returning id)
       insert into agent_session (sandbox_id, persistent, ttl_seconds, ends_at, metadata, file_access, model, tools,
         instructions)
       select id, $7, $8, $9, $10, $11, $12, $13, $14 from made returning sandbox_id`,
      [
        session.id,
        session.accountId,
        session.userId,
        session.state,
        session.lastActivityAt,
        session.createdAt,
        session.persistent,
        session.ttlSeconds,
        session.endsAt,
        JSON.stringify(session.metadata),
        JSON.stringify(session.fileAccess),
        session.model,
        JSON.stringify(session.tools),
        instructions,
      ],
    );
    return rows.length > 0;
  }

  async find(accountId: string, id: string, now: Date): Promise<AgentSession | null> {
    const [row] = await this.db.query<AgentSession>(
      `select ${COLUMNS} from ${TABLES} where s.account_id = $1 and ${LIVE} and s.id = $3`,
      [accountId, now, id],
    );
    return row ?? null;
  }

  /** Up to 1 MiB, so it is no part of what `find` and `list` read. */
  async instructionsOf(id: string): Promise<string> {
    const [row] = await this.db.query<{ instructions: string }>(
      'select instructions from agent_session where sandbox_id = $1',
      [id],
    );
    return row?.instructions ?? '';
  }

  /** Whoever changes it too waits until the transaction ends. */
  async lockMetadata(id: string): Promise<Metadata> {
    const [row] = await this.db.query<{ metadata: Metadata }>(
      'select metadata from agent_session where sandbox_id = $1 for update',
      [id],
    );
    return row?.metadata ?? {};
  }

  async setMetadata(id: string, metadata: Metadata): Promise<void> {
    await this.db.query('update agent_session set metadata = $2 where sandbox_id = $1', [id, JSON.stringify(metadata)]);
  }

  /** Newest first. */
  list(accountId: string, now: Date, limit: number, after: AgentSessionPosition | null): Promise<AgentSession[]> {
    return this.db.query<AgentSession>(
      `select ${COLUMNS} from ${TABLES}
        where s.account_id = $1 and ${LIVE}
          and ($3::timestamptz is null or (date_trunc('milliseconds', s.created_at), s.id) < ($3, $4))
        order by date_trunc('milliseconds', s.created_at) desc, s.id desc limit $5`,
      [accountId, now, after?.createdAt ?? null, after?.id ?? null, limit],
    );
  }

  /** Ids of those that match, held until the transaction ends: both rows, or one that just got busy would match. */
  async findLocked(accountId: string, now: Date, filter: AgentSessionFilter): Promise<string[]> {
    const rows = await this.db.query<{ id: string }>(
      `select s.id from ${TABLES}
        where s.account_id = $1 and ${LIVE} and (not $3 or a.response_id is null)
          and ($4::timestamptz is null or s.last_activity_at <= $4)
        order by s.id for update of s, a`,
      [accountId, now, filter.isIdle, filter.inactiveSince],
    );
    return rows.map(({ id }) => id);
  }
}
