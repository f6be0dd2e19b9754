import { Injectable } from '@nestjs/common';
import { Database } from '#platform';
import { SandboxesRepository } from '../sandboxes.repository.js';
import { EXPIRY_BUFFER_MS, type Lease, type Life, type LifeChange } from './life.js';

const COLUMNS = `s.id, s.surface, s.account_id as "accountId", s.user_id as "userId", s.state, s.version, s.error,
  s.lease_id as "leaseId", s.lease_expires_at as "leaseExpiresAt", s.last_activity_at as "lastActivityAt",
  coalesce(c.provider_state ? 'sandboxName', true) as "hasHandle", coalesce(c.is_stopping, false) as "isStopping",
  c.expires_at as "expiresAt", c.hibernate_after as "hibernateAfter", c.snapshot_digest as "snapshotDigest",
  c.snapshot_url as "snapshotUrl", a.file_access as "fileAccess", a.ends_at as "endsAt",
  (select coalesce(jsonb_agg(jsonb_build_object('name', k.name, 'version', k.version_id)), '[]')
     from sandbox_skill k where k.sandbox_id = s.id) as skills`;
const TABLES = `sandbox s left join coding_session c on c.sandbox_id = s.id
  left join agent_session a on a.sandbox_id = s.id`;

/** Every query of the lifecycle. Times are the application's. */
@Injectable()
export class LifecycleRepository {
  constructor(
    private readonly db: Database,
    private readonly sandboxes: SandboxesRepository,
  ) {}

  /** Of whatever account: callers have looked their session up. Null once it is hidden from everybody. */
  async find(id: string): Promise<Life | null> {
    const [row] = await this.db.query<Life>(
      `select ${COLUMNS} from ${TABLES} where s.id = $1 and s.state is distinct from 'destroying'`,
      [id],
    );
    return row ?? null;
  }

  /** As `find`, with the sandbox held until the transaction ends. */
  async findLocked(id: string): Promise<Life | null> {
    await this.hold(id);
    return this.find(id);
  }

  /** Compare and set: writes only if the sandbox is still the one that was seen. Raises the version. */
  async write(seen: Pick<Life, 'id' | 'version'>, change: LifeChange, now: Date): Promise<boolean> {
    const values: unknown[] = [seen.id, seen.version, now];
    const { lease, snapshot } = change;
    const own = assignments(values, {
      state: change.state,
      error: change.error,
      lease_id: lease && lease.id,
      lease_expires_at: lease && lease.expiresAt,
      last_activity_at: change.lastActivityAt,
    });
    const coding = assignments(values, {
      is_stopping: change.isStopping,
      expires_at: change.expiresAt,
      hibernate_after: change.hibernateAfter,
      provider_state: change.providerState && JSON.stringify(change.providerState),
      branch: change.branch,
      base_commit: change.commit,
      clone_url: change.cloneUrl,
      snapshot_url: snapshot?.url,
      snapshot_digest: snapshot?.digest,
      snapshot_bytes: snapshot?.bytes,
      snapshot_created_at: snapshot?.createdAt,
    });
    const rows = await this.db.query(
      `with written as (
         update sandbox set ${['version = version + 1', 'updated_at = $3', ...own].join(', ')}
          where id = $1 and version = $2 and state is distinct from 'destroying' returning id)
       ${coding.length > 0 ? `, coded as (update coding_session set ${coding.join(', ')} from written where sandbox_id = id)` : ''}
       select id from written`,
      values,
    );
    return rows.length > 0;
  }

  /** False when the lease is another's by now. */
  async renew(id: string, lease: Lease): Promise<boolean> {
    const rows = await this.db.query(
      'update sandbox set lease_expires_at = $3 where id = $1 and lease_id = $2 returning id',
      [id, lease.id, lease.expiresAt],
    );
    return rows.length > 0;
  }

  /** Signs of life of active sandboxes. Answers which of them are. */
  async touch(ids: readonly string[], now: Date, hibernateAfter: Date, isKept: boolean): Promise<string[]> {
    const rows = await this.db.query<{ id: string }>(
      `with touched as (
         update sandbox set last_activity_at = greatest(last_activity_at, $2)
          where id = any($1) and state = 'active' returning id),
       postponed as (
         update coding_session set hibernate_after = greatest(hibernate_after, $3),
           expires_at = case when $4 then greatest(expires_at, $3) else expires_at end
          from touched where sandbox_id = touched.id)
       select id from touched`,
      [ids, now, hibernateAfter, isKept],
    );
    return rows.map(({ id }) => id);
  }

  /** Active sandboxes whose idle or hard limit has come, the longest overdue first. */
  async findOverdue(now: Date, limit: number): Promise<string[]> {
    return this.ids(
      `select s.id from sandbox s join coding_session c on c.sandbox_id = s.id
        where s.state = 'active' and (c.hibernate_after <= $1 or c.expires_at <= $2)
        order by c.hibernate_after limit $3`,
      [now, new Date(now.getTime() + EXPIRY_BUFFER_MS), limit],
    );
  }

  /** Sandboxes that somebody began to change and did not end. */
  findAbandoned(now: Date, limit: number): Promise<string[]> {
    return this.ids(
      `select id from sandbox where lease_expires_at <= $1 and state is distinct from 'destroying'
        order by lease_expires_at limit $2`,
      [now, limit],
    );
  }

  /** Sandboxes at rest of which processes may be left, and nobody is at work on. */
  findStopping(limit: number): Promise<string[]> {
    return this.ids(
      `select s.id from coding_session c join sandbox s on s.id = c.sandbox_id
        where c.is_stopping and s.lease_id is null and s.state is distinct from 'destroying' limit $1`,
      [limit],
    );
  }

  /** Ids of agent sessions whose end has come, held until the transaction ends, by account. */
  findEnded(now: Date, limit: number): Promise<{ id: string; accountId: string }[]> {
    return this.db.query(
      `select s.id, s.account_id as "accountId" from agent_session a join sandbox s on s.id = a.sandbox_id
        where a.ends_at <= $1 and s.state <> 'destroying' order by a.ends_at limit $2 for update of s, a skip locked`,
      [now, limit],
    );
  }

  /** Takes destroyed sandboxes that nobody clears away, for as long as the lease lasts; those not tried yet first. */
  async claimDestroyed(lease: Lease, now: Date, limit: number): Promise<string[]> {
    return this.ids(
      `update sandbox set lease_id = $1, lease_expires_at = $2 where id in (
         select id from sandbox where state = 'destroying' and (lease_expires_at is null or lease_expires_at <= $3)
          order by lease_expires_at nulls first, updated_at limit $4 for update skip locked)
       returning id`,
      [lease.id, lease.expiresAt, now, limit],
    );
  }

  /** Until the transaction ends, no run begins in it. */
  hold(id: string): Promise<void> {
    return this.sandboxes.hold(id);
  }

  /** Deletes a destroyed sandbox with all that hangs on it; its directory stays until `removeAfter`. */
  async delete(id: string, removeAfter: Date): Promise<void> {
    await this.db.query(
      `with gone as (
         delete from sandbox where id = $1 and state = 'destroying' returning id, account_id)
       insert into sandbox_remains (sandbox_id, account_id, remove_after) select id, account_id, $2 from gone
       on conflict do nothing`,
      [id, removeAfter],
    );
  }

  /** Directories of deleted sandboxes whose time has come; `isRemoved`: once before. */
  findRemains(now: Date, limit: number): Promise<{ id: string; accountId: string; isRemoved: boolean }[]> {
    return this.db.query(
      `select sandbox_id as id, account_id as "accountId", is_removed as "isRemoved" from sandbox_remains where remove_after <= $1
        order by remove_after limit $2`,
      [now, limit],
    );
  }

  async noteRemoval(id: string, again: Date): Promise<void> {
    await this.db.query('update sandbox_remains set is_removed = true, remove_after = $2 where sandbox_id = $1', [
      id,
      again,
    ]);
  }

  async forgetRemains(id: string): Promise<void> {
    await this.db.query('delete from sandbox_remains where sandbox_id = $1', [id]);
  }

  private async ids(sql: string, values: readonly unknown[]): Promise<string[]> {
    return (await this.db.query<{ id: string }>(sql, values)).map(({ id }) => id);
  }
}

/** `column = $n` for each column that is written; undefined leaves one alone, null empties it. */
function assignments(values: unknown[], columns: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(columns)
    .filter(([, value]) => value !== undefined)
    .map(([column, value]) => `${column} = $${values.push(value)}`);
}
