import { Injectable } from '@nestjs/common';
import { Database } from '#platform';
import { RepoEntity } from './repo.entity.js';
import { type Repo, type RepoAddress, type RepoChange, repoNotFound } from './repo.js';

export interface RepoListQuery {
  readonly limit: number;
  readonly offset: number;
  /** Keyset position: the (updated_at, id) of the last row of the page before. */
  readonly after: { readonly updatedAt: string; readonly id: string } | null;
  readonly namespace: string | null;
  readonly templatesOnly: boolean;
}

const COLUMNS = `id, storage_id as "storageId", account_id as "accountId", namespace, slug, description,
  default_branch as "defaultBranch", visibility, is_template as "isTemplate", created_at as "createdAt",
  updated_at as "updatedAt"`;

/** Every query on repositories. */
@Injectable()
export class ReposRepository {
  constructor(private readonly db: Database) {}

  async insert(repo: Repo): Promise<void> {
    await this.db.repo(RepoEntity).insert({ ...repo });
  }

  async find(accountId: string, address: RepoAddress): Promise<Repo | null> {
    const [repo] = await this.db.query<Repo>(
      `select ${COLUMNS} from repo where account_id = $1 and coalesce(namespace, '') = $2 and slug = $3`,
      [accountId, address.namespace ?? '', address.slug],
    );
    return repo ?? null;
  }

  async findById(id: string): Promise<Repo | null> {
    const [repo] = await this.db.query<Repo>(`select ${COLUMNS} from repo where id = $1`, [id]);
    return repo ?? null;
  }

  findByIds(ids: readonly string[]): Promise<Repo[]> {
    return this.db.query<Repo>(`select ${COLUMNS} from repo where id = any($1)`, [ids]);
  }

  /** Newest update first; asks for one row more than `limit`, so that the caller knows whether a next page exists. */
  list(accountId: string, query: RepoListQuery): Promise<Repo[]> {
    return this.db.query<Repo>(
      `select ${COLUMNS} from repo
        where account_id = $1
          and ($2::text is null or namespace = $2)
          and (not $3 or is_template)
          and ($4::timestamptz is null or (date_trunc('milliseconds', updated_at), id) < ($4, $5))
        order by date_trunc('milliseconds', updated_at) desc, id desc
        limit $6 offset $7`,
      [
        accountId,
        query.namespace,
        query.templatesOnly,
        query.after?.updatedAt ?? null,
        query.after?.id ?? null,
        query.limit + 1,
        query.offset,
      ],
    );
  }

  async count(accountId: string): Promise<number> {
    const [row] = await this.db.query<{ count: string }>('select count(*) from repo where account_id = $1', [
      accountId,
    ]);
    return Number(row?.count ?? 0);
  }

  /**
   * Serialises creations of one account until the transaction ends, so that its quota holds. False for an account that
   * was closed, although a node may not know that yet.
   */
  async lockAccount(accountId: string): Promise<boolean> {
    const rows = await this.db.query('select 1 from account where id = $1 and closed_at is null for update', [
      accountId,
    ]);
    return rows.length > 0;
  }

  /** As lockAccount, but creations go on side by side: only the closing of the account waits. */
  async holdAccount(accountId: string): Promise<boolean> {
    const rows = await this.db.query('select 1 from account where id = $1 and closed_at is null for key share', [
      accountId,
    ]);
    return rows.length > 0;
  }

  /** The row as it is after the change. Errors: `not_found` when it is gone. */
  async update(repo: Repo, change: RepoChange, now: Date): Promise<Repo> {
    await this.db.repo(RepoEntity).update({ id: repo.id, accountId: repo.accountId }, { ...change, updatedAt: now });
    const updated = await this.findById(repo.id);
    if (!updated) throw repoNotFound();
    return updated;
  }

  /** True when the row existed. Refs go with it. */
  async delete(repo: Repo): Promise<boolean> {
    const rows = await this.db.query('delete from repo where id = $1 and account_id = $2 returning id', [
      repo.id,
      repo.accountId,
    ]);
    return rows.length > 0;
  }

  /** Those of `storageIds` that no repository has. */
  async findUnknownStorage(storageIds: readonly string[]): Promise<string[]> {
    const rows = await this.db.query<{ id: string }>(
      `select unknown.id from unnest($1::uuid[]) as unknown(id) where not exists (select 1 from repo where storage_id = unknown.id)`,
      [storageIds],
    );
    return rows.map((row) => row.id);
  }
}
