import { Injectable } from '@nestjs/common';
import { Database } from '#platform';

/** What the lifecycle writes, whichever surface a sandbox was made on. */
@Injectable()
export class SandboxesRepository {
  constructor(private readonly db: Database) {}

  /** Those that still exist for anybody: what was destroyed or has ended keeps no account open. */
  async count(accountId: string, now: Date): Promise<number> {
    const [row] = await this.db.query<{ count: string }>(
      `select count(*) from sandbox s left join agent_session a on a.sandbox_id = s.id
        where s.account_id = $1 and s.state is distinct from 'destroying' and (a.ends_at is null or a.ends_at > $2)`,
      [accountId, now],
    );
    return Number(row?.count ?? 0);
  }

  /**
   * Holds the sandbox until the transaction ends. A statement that has to wait for a row sees what hangs on it as that was
   * before the wait: so it is read by the next one.
   */
  async hold(id: string): Promise<void> {
    await this.db.query('select 1 from sandbox where id = $1 for update', [id]);
  }

  /** Whether it exists for anybody. */
  async isThere(id: string): Promise<boolean> {
    const rows = await this.db.query(`select 1 from sandbox where id = $1 and state is distinct from 'destroying'`, [
      id,
    ]);
    return rows.length > 0;
  }

  /** Of whatever account it is; null for one that does not exist any more. */
  async findAccount(id: string): Promise<string | null> {
    const [row] = await this.db.query<{ accountId: string }>(
      'select account_id as "accountId" from sandbox where id = $1',
      [id],
    );
    return row?.accountId ?? null;
  }

  /** Hides the sandboxes from everybody; answers the ids of those that were not hidden before. */
  async markDestroying(accountId: string, ids: readonly string[], now: Date): Promise<string[]> {
    const rows = await this.db.query<{ id: string }>(
      `with marked as (
         update sandbox set state = 'destroying', version = version + 1, lease_id = null, lease_expires_at = null,
           updated_at = $3
         where account_id = $1 and id = any($2) and state is distinct from 'destroying' returning id)
       select id from marked order by id`,
      [accountId, ids, now],
    );
    return rows.map(({ id }) => id);
  }
}
