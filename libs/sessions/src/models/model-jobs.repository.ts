import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Database, sqlState, UNIQUE_VIOLATION } from '#platform';
import type { ModelJob, ModelJobRequest, ModelProblem } from './model-job.js';

/** A node that does not renew for this long has died. */
export const LEASE_SECONDS = 60;
/** A job in line this long that nobody has taken may have been lost on its way. */
const UNCLAIMED_SECONDS = 60;
const MAX_ATTEMPTS = 3;
const KEEP_DAYS = 30;
const BATCH = 500;

const COLUMNS = `id, kind, session_uid as "sessionUid", user_id as "userId", input, attempts`;
const IS_DUE = `j.state = 'queued' and not exists (select from model_job o where o.session_uid = j.session_uid
  and o.kind = j.kind and o.finished_at > now() - make_interval(secs => j.apart_seconds))`;
const OVER = 'finished_at = now(), lease_until = null';

/** Every query on model jobs. Times of leases are the database's, which all nodes share. */
@Injectable()
export class ModelJobsRepository {
  constructor(private readonly db: Database) {}

  /** The job, or the one of its kind that is waiting for the session already. */
  async insert({ kind, sessionUid, userId, input, apartSeconds = 0 }: ModelJobRequest): Promise<ModelJob> {
    const [row] = await this.db.query<ModelJob>(
      `insert into model_job (id, kind, session_uid, user_id, input, apart_seconds) values ($1, $2, $3, $4, $5, $6)
       on conflict (session_uid, kind) where state = 'queued'
       do update set user_id = excluded.user_id, input = excluded.input, apart_seconds = excluded.apart_seconds
       returning ${COLUMNS}`,
      [randomUUID(), kind, sessionUid, userId, JSON.stringify(input), apartSeconds],
    );
    return row!;
  }

  /** The job, if its time has come and no other of its kind runs for the session. */
  async claim(id: string): Promise<ModelJob | null> {
    try {
      const [row] = await this.db.query<ModelJob>(
        `update model_job j set state = 'running', attempts = attempts + 1, started_at = now(),
           lease_until = now() + make_interval(secs => $2)
          where id = $1 and ${IS_DUE} returning ${COLUMNS}`,
        [id, LEASE_SECONDS],
      );
      return row ?? null;
    } catch (error) {
      // Another one runs: whoever ends it puts this one in line again.
      if (sqlState(error) === UNIQUE_VIOLATION) return null;
      throw error;
    }
  }

  async renew({ id, attempts }: ModelJob): Promise<void> {
    await this.db.query(
      `update model_job set lease_until = now() + make_interval(secs => $3)
        where id = $1 and attempts = $2 and state = 'running'`,
      [id, attempts, LEASE_SECONDS],
    );
  }

  /** False when the try has lost the job. */
  async finish({ id, attempts }: ModelJob): Promise<boolean> {
    const rows = await this.db.query(
      `update model_job set state = 'done', ${OVER} where id = $1 and attempts = $2 and state = 'running' returning id`,
      [id, attempts],
    );
    return rows.length > 0;
  }

  async fail({ id, attempts }: ModelJob, problem: ModelProblem): Promise<void> {
    await this.db.query(
      `update model_job set state = 'failed', problem = $3, ${OVER}
        where id = $1 and attempts = $2 and state = 'running'`,
      [id, attempts, JSON.stringify(problem)],
    );
  }

  /** Back in line, as if this try had not been: the server is going down. */
  async giveBack({ id, attempts }: ModelJob): Promise<void> {
    await this.requeue('j.id = $1 and j.attempts = $2', [id, attempts], 'attempts - 1');
  }

  /** Puts what dead nodes were doing back in line, a few times; after that it has failed. */
  async reclaim(lost: ModelProblem): Promise<void> {
    await this.db.query(
      `update model_job set state = 'failed', problem = $2, ${OVER}
        where state = 'running' and lease_until < now() and attempts >= $1`,
      [MAX_ATTEMPTS, JSON.stringify(lost)],
    );
    await this.requeue('j.lease_until < now()', [], 'attempts');
  }

  /** Ids of jobs nobody has taken, oldest first; all of them with `every`. */
  async findWaiting(every: boolean): Promise<string[]> {
    const rows = await this.db.query<{ id: string }>(
      `select id from model_job j
        where ${IS_DUE} and ($1 or requested_at < now() - make_interval(secs => $2))
        order by requested_at limit $3`,
      [every, UNCLAIMED_SECONDS, BATCH],
    );
    return rows.map(({ id }) => id);
  }

  async findWaitingOf({ sessionUid, kind }: ModelJob): Promise<string | null> {
    const [row] = await this.db.query<{ id: string }>(
      `select id from model_job where session_uid = $1 and kind = $2 and state = 'queued'`,
      [sessionUid, kind],
    );
    return row?.id ?? null;
  }

  /** Forgets old jobs; how many. */
  async sweep(): Promise<number> {
    const rows = await this.db.query(
      `delete from model_job where id in (select id from model_job
        where finished_at < now() - make_interval(days => $1) limit $2) returning id`,
      [KEEP_DAYS, BATCH],
    );
    return rows.length;
  }

  /** One that is waiting already will do the same and with what is newer, so the older one goes. */
  private async requeue(which: string, parameters: readonly unknown[], attempts: string): Promise<void> {
    await this.db.query(
      `delete from model_job j where j.state = 'running' and ${which} and exists (select from model_job o
         where o.session_uid = j.session_uid and o.kind = j.kind and o.state = 'queued')`,
      parameters,
    );
    await this.db.query(
      `update model_job j set state = 'queued', lease_until = null, attempts = ${attempts}
        where j.state = 'running' and ${which}`,
      parameters,
    );
  }
}
