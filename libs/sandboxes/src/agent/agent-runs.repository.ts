import { Injectable } from '@nestjs/common';
import { Database } from '#platform';
import type { AgentEvent, StoredEvent, TokenUsage } from './agent-event.js';
import type { AgentRun, NewAgentRun } from './agent-run.js';

/** How long a run outlives the last word of its process. */
const LEASE = `interval '20 seconds'`;
/** Somebody wants it to end, or its sandbox is about to go. */
const STOPPED = `(cancel_requested_at is not null
  or exists (select 1 from sandbox s where s.id = agent_run.sandbox_id and s.state = 'destroying'))`;
const COLUMNS = `id, kind, account_id as "accountId", user_id as "userId", sandbox_id as "sandboxId", slot, status,
  next_seq as "nextSeq", deadline_at as "deadlineAt", created_at as "createdAt", ended_at as "endedAt"`;

export interface RunSign {
  readonly id: string;
  readonly isCancelRequested: boolean;
}

export interface RunState {
  readonly slot: string;
  readonly nextSeq: number;
  readonly isEnded: boolean;
  readonly isAbandoned: boolean;
}

/** Who may end a run: the process that holds it, or anybody once that is gone. */
export type Ending = { readonly owner: string } | 'abandoned';

export interface RunEnd {
  readonly status: 'completed' | 'cancelled' | 'failed';
  readonly error: string | null;
  readonly usage: TokenUsage;
  readonly at: Date;
  /** What is not stored yet, the outcome last. */
  readonly events: readonly AgentEvent[];
  /** The place of the first of them; null for behind what is stored. */
  readonly from: number | null;
}

/** Every query on runs and their events. Leases follow the database's clock, which all nodes share. */
@Injectable()
export class AgentRunsRepository {
  constructor(private readonly db: Database) {}

  /** False while the slot is taken. Waits for whoever takes it at the same time. */
  async insert(run: NewAgentRun, owner: string): Promise<boolean> {
    const rows = await this.db.query(
      `insert into agent_run (id, kind, account_id, user_id, sandbox_id, slot, status, next_seq, deadline_at,
         lease_owner, lease_expires_at, created_at)
       values ($1, $2, $3, $4, $5, $6, 'running', 0, $7, $8, now() + ${LEASE}, $9)
       on conflict (slot) where ended_at is null do nothing returning id`,
      [run.id, run.kind, run.accountId, run.userId, run.sandboxId, run.slot, run.deadlineAt, owner, run.createdAt],
    );
    return rows.length > 0;
  }

  async find(accountId: string, id: string): Promise<AgentRun | null> {
    const [row] = await this.db.query<AgentRun>(`select ${COLUMNS} from agent_run where id = $1 and account_id = $2`, [
      id,
      accountId,
    ]);
    return row ?? null;
  }

  /** The run in a slot, held until the transaction ends. */
  async findHolder(slot: string): Promise<(AgentRun & { readonly isAbandoned: boolean }) | null> {
    const [row] = await this.db.query<AgentRun & { isAbandoned: boolean }>(
      `select ${COLUMNS}, lease_expires_at < now() as "isAbandoned" from agent_run
        where slot = $1 and ended_at is null for update`,
      [slot],
    );
    return row ?? null;
  }

  /** Runs whose process is gone, oldest first. */
  findAbandoned(limit: number): Promise<AgentRun[]> {
    return this.db.query<AgentRun>(
      `select ${COLUMNS} from agent_run where ended_at is null and lease_expires_at < now()
        order by lease_expires_at limit $1`,
      [limit],
    );
  }

  /** What a follower needs to know of a run that tells nothing new. */
  async findState(id: string): Promise<RunState | null> {
    const [row] = await this.db.query<RunState>(
      `select slot, next_seq as "nextSeq", ended_at is not null as "isEnded",
              ended_at is null and lease_expires_at < now() as "isAbandoned"
         from agent_run where id = $1`,
      [id],
    );
    return row ?? null;
  }

  events(id: string, from: number, limit: number): Promise<StoredEvent[]> {
    return this.db.query<StoredEvent>(
      'select seq, data from agent_run_event where run_id = $1 and seq >= $2 order by seq limit $3',
      [id, from, limit],
    );
  }

  /**
   * Stores events in the run's process, which keeps the run by that; those that are stored already stay as they are.
   * Null when the run is not its own any more.
   */
  async append(id: string, owner: string, events: readonly StoredEvent[]): Promise<RunSign | null> {
    const [row] = await this.db.query<RunSign>(
      `with held as (
         update agent_run set next_seq = $3, lease_expires_at = now() + ${LEASE}
          where id = $1 and lease_owner = $2 and ended_at is null
         returning id, ${STOPPED} as "isCancelRequested"),
       stored as (
         insert into agent_run_event (run_id, seq, data)
         select held.id, event.seq, event.data::json
           from held, unnest($4::int[], $5::text[]) as event (seq, data)
         on conflict do nothing)
       select * from held`,
      [
        id,
        owner,
        (events.at(-1)?.seq ?? -1) + 1,
        events.map(({ seq }) => seq),
        events.map(({ data }) => JSON.stringify(data)),
      ],
    );
    return row ?? null;
  }

  /** Keeps the runs of a process; answers those that are still its own. */
  keep(owner: string, ids: readonly string[]): Promise<RunSign[]> {
    return this.db.query<RunSign>(
      `update agent_run set lease_expires_at = now() + ${LEASE}
        where id = any($1) and lease_owner = $2 and ended_at is null
       returning id, ${STOPPED} as "isCancelRequested"`,
      [ids, owner],
    );
  }

  /** False when there is nothing to cancel any more. */
  async requestCancel(id: string): Promise<boolean> {
    const rows = await this.db.query(
      `update agent_run set cancel_requested_at = coalesce(cancel_requested_at, now())
        where id = $1 and ended_at is null returning 1`,
      [id],
    );
    return rows.length > 0;
  }

  /** Answers the place of the first event; null when the run had ended already or is another process's. */
  async end(id: string, by: Ending, { status, error, usage, at, events, from }: RunEnd): Promise<number | null> {
    const [row] = await this.db.query<{ from: number }>(
      `update agent_run set status = $2, error = $3, input_tokens = $4, output_tokens = $5, ended_at = $6,
         next_seq = coalesce($7, next_seq) + $8, lease_owner = null, lease_expires_at = null
        where id = $1 and ended_at is null
          and case when $9::text is null then lease_expires_at < now() else lease_owner = $9 end
       returning next_seq - $8 as "from"`,
      [
        id,
        status,
        error,
        usage.inputTokens,
        usage.outputTokens,
        at,
        from,
        events.length,
        by === 'abandoned' ? null : by.owner,
      ],
    );
    if (!row) return null;
    await this.db.query(
      `insert into agent_run_event (run_id, seq, data)
       select $1, $2 + place - 1, data::json from unnest($3::text[]) with ordinality as event (data, place)
       on conflict do nothing`,
      [id, row.from, events.map((event) => JSON.stringify(event))],
    );
    return row.from;
  }
}
