import { Injectable } from '@nestjs/common';
import { Database } from '#platform';
import type { HeadlessRun } from '../chat-runs/chat-starts.service.js';
import { restingHandle } from '../lifecycle/life.js';
import type { AccountHome, AccountSnapshot, CreationKey, ListedAccountSandbox } from './account-sandbox.js';

interface HomeRow {
  readonly repoId: string | null;
  readonly url: string | null;
  readonly digest: string;
  readonly bytes: number;
  readonly createdAt: Date;
}

export interface SandboxPosition {
  readonly createdAt: string;
  readonly id: string;
}

const HOME = `repo_id as "repoId", snapshot_url as url, snapshot_digest as digest, snapshot_bytes::float8 as bytes,
  snapshot_created_at as "createdAt"`;
const OWN = `s.account_id = $1 and s.surface = 'coding' and c.is_account_level and s.state is distinct from 'destroying'`;
const TABLES = 'sandbox s join coding_session c on c.sandbox_id = s.id';

/** Every query on what accounts' own sandboxes begin with, and on which sandboxes these are. */
@Injectable()
export class AccountHomesRepository {
  constructor(private readonly db: Database) {}

  async find(accountId: string): Promise<AccountHome> {
    return toHome(await this.db.query<HomeRow>(`select ${HOME} from account_home where account_id = $1`, [accountId]));
  }

  /** As `find`; it does not change until the transaction ends. */
  async findHeld(accountId: string): Promise<AccountHome> {
    const sql = `select ${HOME} from account_home where account_id = $1 for share`;
    return toHome(await this.db.query<HomeRow>(sql, [accountId]));
  }

  /** As `find`, for who changes it: others wait until the transaction ends. */
  async lock(accountId: string): Promise<AccountHome> {
    await this.db.query('insert into account_home (account_id) values ($1) on conflict do nothing', [accountId]);
    const sql = `select ${HOME} from account_home where account_id = $1 for update`;
    return toHome(await this.db.query<HomeRow>(sql, [accountId]));
  }

  /** False when the account has one already. */
  async setRepo(accountId: string, repoId: string): Promise<boolean> {
    const rows = await this.db.query(
      `insert into account_home (account_id, repo_id) values ($1, $2)
       on conflict (account_id) do update set repo_id = excluded.repo_id where account_home.repo_id is null
       returning 1`,
      [accountId, repoId],
    );
    return rows.length > 0;
  }

  async setSnapshot(accountId: string, snapshot: AccountSnapshot | null): Promise<void> {
    await this.db.query(
      `update account_home set snapshot_url = $2, snapshot_digest = $3, snapshot_bytes = $4, snapshot_created_at = $5
        where account_id = $1`,
      [
        accountId,
        snapshot?.url ?? null,
        snapshot?.digest ?? null,
        snapshot?.bytes ?? null,
        snapshot?.createdAt ?? null,
      ],
    );
  }

  /** The newest sandbox of the account that has this snapshot; both stay as they are until the transaction ends. */
  async findSnapshot(
    accountId: string,
    url: string,
  ): Promise<{ readonly sandboxId: string; readonly snapshot: AccountSnapshot } | null> {
    const [row] = await this.db.query<AccountSnapshot & { sandboxId: string }>(
      `select s.id as "sandboxId", c.snapshot_url as url, c.snapshot_digest as digest,
              c.snapshot_bytes::float8 as bytes, c.snapshot_created_at as "createdAt"
         from ${TABLES}
        where s.account_id = $1 and s.surface = 'coding' and s.state is distinct from 'destroying'
          and c.snapshot_url = $2
        order by s.created_at desc limit 1 for share of s`,
      [accountId, url],
    );
    if (!row) return null;
    const { sandboxId, ...snapshot } = row;
    return { sandboxId, snapshot };
  }

  async countSnapshots(accountId: string): Promise<number> {
    const rows = await this.db.query('select 1 from account_home where account_id = $1 and snapshot_url is not null', [
      accountId,
    ]);
    return rows.length;
  }

  /** Makes a session that was just created one of the account's own; with a snapshot it is restored from that. */
  async place(sandboxId: string, snapshot: AccountSnapshot | null, creation: CreationKey | null): Promise<void> {
    await this.db.query(
      `update coding_session set is_account_level = true, creation_key = $2, creation_hash = $3,
         provider_state = coalesce($4::jsonb, provider_state), snapshot_url = $5, snapshot_digest = $6,
         snapshot_bytes = $7, snapshot_created_at = $8
        where sandbox_id = $1`,
      [
        sandboxId,
        creation?.key ?? null,
        creation?.hash ?? null,
        snapshot && JSON.stringify(restingHandle(sandboxId)),
        snapshot?.url ?? null,
        snapshot?.digest ?? null,
        snapshot?.bytes ?? null,
        snapshot?.createdAt ?? null,
      ],
    );
  }

  /** What was made with a key. Creations with the same one wait for each other until the transaction ends. */
  async findCreated(accountId: string, key: string): Promise<{ readonly id: string; readonly hash: string } | null> {
    const name = `coding-creation:${accountId} ${key}`;
    await this.db.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [name]);
    const [row] = await this.db.query<{ id: string; hash: string }>(
      `select sandbox_id as id, creation_hash as hash from coding_session where account_id = $1 and creation_key = $2`,
      [accountId, key],
    );
    return row ?? null;
  }

  /** The run that a sandbox was made for; null for one that was made without a prompt. */
  async findFirstRun(sandboxId: string): Promise<HeadlessRun | null> {
    const [row] = await this.db.query<HeadlessRun>(
      `select r.id as "runId", h.id as "chatId", r.sandbox_id as "sessionId"
         from agent_run r join chat h on h.sandbox_id = r.sandbox_id
        where r.sandbox_id = $1 and r.kind = 'chat' order by r.created_at, h.created_at limit 1`,
      [sandboxId],
    );
    return row ?? null;
  }

  /** Newest first. */
  list(accountId: string, limit: number, after: SandboxPosition | null): Promise<ListedAccountSandbox[]> {
    return this.db.query<ListedAccountSandbox>(
      `select s.id, s.state, s.created_at as "createdAt", c.expires_at as "expiresAt" from ${TABLES}
        where ${OWN} and ($2::timestamptz is null or (date_trunc('milliseconds', s.created_at), s.id) < ($2, $3))
        order by date_trunc('milliseconds', s.created_at) desc, s.id desc limit $4`,
      [accountId, after?.createdAt ?? null, after?.id ?? null, limit],
    );
  }

  /** The newest one that nobody has put away. */
  async findCurrent(accountId: string): Promise<string | null> {
    const [row] = await this.db.query<{ id: string }>(
      `select s.id from ${TABLES} where ${OWN} and c.status <> 'archived'
        order by s.created_at desc, s.id desc limit 1`,
      [accountId],
    );
    return row?.id ?? null;
  }
}

function toHome([row]: readonly HomeRow[]): AccountHome {
  if (!row) return { repoId: null, snapshot: null };
  const { repoId, url, digest, bytes, createdAt } = row;
  return { repoId, snapshot: url === null ? null : { url, digest, bytes, createdAt } };
}
