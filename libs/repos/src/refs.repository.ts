import { Injectable } from '@nestjs/common';
import { Database } from '#platform';
import { BRANCH_PREFIX, type Ref, type RefUpdate, TAG_PREFIX } from './ref.js';
import { refParents } from './ref-names.js';

/** A repository whose files are behind the table, and the version of the table that was seen. */
export interface BehindRepo {
  readonly repoId: string;
  readonly version: string;
  /** Whether HEAD is behind too. */
  readonly head: boolean;
}

/** Every query on refs. The table is the truth; the files in the repository follow it (see RefProjector). */
@Injectable()
export class RefsRepository {
  constructor(private readonly db: Database) {}

  async find(repoId: string, name: string): Promise<Ref | null> {
    const [ref] = await this.findAny(repoId, [name]);
    return ref ?? null;
  }

  /** As `find`, and the ref stays as it is until the transaction ends. */
  async findLocked(repoId: string, name: string): Promise<Ref | null> {
    const [ref] = await this.db.query<Ref>(
      'select name, sha, peeled from ref where repo_id = $1 and name = $2 for update',
      [repoId, name],
    );
    return ref ?? null;
  }

  /** Those of `names` that exist, in one statement. */
  findAny(repoId: string, names: readonly string[]): Promise<Ref[]> {
    return this.db.query<Ref>('select name, sha, peeled from ref where repo_id = $1 and name = any($2)', [
      repoId,
      // No name holds NUL, and PostgreSQL refuses to be asked for one.
      names.filter((name) => !name.includes('\0')),
    ]);
  }

  /** All refs of repositories, internal ones included, each repository's in byte order of their names. */
  listAllOf(repoIds: readonly string[]): Promise<(Ref & { readonly repoId: string })[]> {
    return this.db.query(
      'select repo_id as "repoId", name, sha, peeled from ref where repo_id = any($1) order by repo_id, name',
      [repoIds],
    );
  }

  /** Branches and tags in byte order. */
  listVisible(repoId: string): Promise<Ref[]> {
    return this.db.query<Ref>(
      `select name, sha, peeled from ref
        where repo_id = $1 and (starts_with(name, 'refs/heads/') or starts_with(name, 'refs/tags/')) order by name`,
      [repoId],
    );
  }

  /** Up to `limit` + 1 refs under `prefix` after the full name `after`. */
  page(repoId: string, prefix: string, after: string | null, limit: number): Promise<Ref[]> {
    return this.db.query<Ref>(
      `select name, sha, peeled from ref
        where repo_id = $1 and starts_with(name, $2) and ($3::text is null or name > $3) order by name limit $4`,
      [repoId, prefix, after, limit + 1],
    );
  }

  async count(repoId: string, prefix: string): Promise<number> {
    const [row] = await this.db.query<{ count: string }>(
      'select count(*) from ref where repo_id = $1 and starts_with(name, $2)',
      [repoId, prefix],
    );
    return Number(row?.count ?? 0);
  }

  /**
   * Takes the repository's row until the transaction ends; false when the repository is gone. Not `for update`: that
   * would hold up the foreign keys of commits to other branches, and one that holds a ref we want would be a deadlock.
   */
  async lockRepo(repoId: string): Promise<boolean> {
    const rows = await this.db.query('select 1 from repo where id = $1 for no key update', [repoId]);
    return rows.length > 0;
  }

  /** Takes the rows of those `names` that exist, in one order for everyone, until the transaction ends. */
  lockAll(repoId: string, names: readonly string[]): Promise<Ref[]> {
    return this.db.query<Ref>(
      'select name, sha, peeled from ref where repo_id = $1 and name = any($2) order by name for update',
      [repoId, names],
    );
  }

  /** Names of all refs, internal ones included. */
  async listNames(repoId: string): Promise<string[]> {
    const rows = await this.db.query<{ name: string }>('select name from ref where repo_id = $1', [repoId]);
    return rows.map((row) => row.name);
  }

  /** Deletes and sets refs without looking; for updates that were compared under the locks of the repository and rows. */
  async writeAll(repoId: string, updates: readonly RefUpdate[]): Promise<void> {
    const deleted = updates.filter(({ target }) => target === null).map(({ name }) => name);
    if (deleted.length > 0) {
      await this.db.query('delete from ref where repo_id = $1 and name = any($2)', [repoId, deleted]);
    }
    const set = updates.flatMap(({ name, target }) => (target === null ? [] : [{ name, ...target }]));
    if (set.length === 0) return;
    await this.db.query(
      `insert into ref (repo_id, name, sha, peeled)
       select $1, u.name, u.sha, u.peeled from unnest($2::text[], $3::text[], $4::text[]) as u(name, sha, peeled)
       on conflict (repo_id, name) do update set sha = excluded.sha, peeled = excluded.peeled, updated_at = now()`,
      [repoId, set.map(({ name }) => name), set.map(({ sha }) => sha), set.map(({ peeled }) => peeled)],
    );
  }

  /**
   * Compare-and-set of one ref inside the open transaction, and the mark that the repository's files are behind; false,
   * and nothing changed, when the comparison fails.
   */
  async apply(repoId: string, { name, expected, target, waitsForTurn = false }: RefUpdate): Promise<boolean> {
    const values = target ? [repoId, name, target.sha, target.peeled] : [repoId, name];
    const change = changeOf(expected, target !== null, waitsForTurn);
    const rows = await this.db.query(
      `with ${TURN}, changed as (${change}), ${BEHIND} select name from changed`,
      target && (expected === null || expected === 'any') ? values : [...values, expected],
    );
    return rows.length > 0;
  }

  /** Takes the branch's turn until the transaction ends. */
  async lockTurn(repoId: string, name: string): Promise<void> {
    await this.db.query(`select pg_advisory_xact_lock(${TURN_KEY})`, [repoId, name]);
  }

  /** A ref that stands in the way of `name` as a file where a directory is needed, or the other way round. */
  async findClash(repoId: string, name: string): Promise<string | null> {
    const [row] = await this.db.query<{ name: string }>(
      `select name from ref where repo_id = $1 and (name = any($2) or starts_with(name, $3)) limit 1`,
      [repoId, refParents(name), `${name}/`],
    );
    return row?.name ?? null;
  }

  /**
   * Marks the repository's ref files as behind the table; belongs into every transaction that changes refs. `head`: the
   * default branch has changed too.
   */
  async markBehind(repoId: string, { head = false } = {}): Promise<void> {
    await this.db.query(
      `insert into ref_sync (repo_id, head) values ($1, $2)
        on conflict (repo_id) do update
          set version = ref_sync.version + 1, head = ref_sync.head or excluded.head, enqueued_at = now()`,
      [repoId, head],
    );
  }

  async isBehind(repoId: string): Promise<boolean> {
    const rows = await this.db.query('select 1 from ref_sync where repo_id = $1', [repoId]);
    return rows.length > 0;
  }

  /** Those of `repoIds` whose files are behind the table. */
  async findBehind(repoIds: readonly string[]): Promise<string[]> {
    const rows = await this.db.query<{ repoId: string }>(
      'select repo_id as "repoId" from ref_sync where repo_id = any($1)',
      [repoIds],
    );
    return rows.map((row) => row.repoId);
  }

  /** Repositories whose files have been behind for at least `minAgeSeconds` since their last change, oldest first. */
  async listBehind(minAgeSeconds: number): Promise<string[]> {
    const rows = await this.db.query<{ repoId: string }>(
      `select repo_id as "repoId" from ref_sync where enqueued_at <= now() - make_interval(secs => $1)
        order by enqueued_at`,
      [minAgeSeconds],
    );
    return rows.map((row) => row.repoId);
  }

  /**
   * Takes the projection locks until the transaction ends, and answers the versions to catch up with: only for those
   * of `repoIds` that are behind.
   */
  async lockProjections(repoIds: readonly string[]): Promise<BehindRepo[]> {
    const inOrder = [...repoIds].sort();
    // Of what such a transaction writes nothing need survive: a row that comes back is projected once more.
    await this.db.query(
      `select set_config('synchronous_commit', 'off', true),
              pg_advisory_xact_lock(hashtextextended('ref-projection:' || id, 0)) from unnest($1::text[]) as id`,
      [inOrder],
    );
    // With the repositories' rows held, no directory can be removed while files are written into it.
    return this.db.query<BehindRepo>(
      `select repo_id as "repoId", version, head from ref_sync join repo on repo.id = repo_id
        where repo_id = any($1) order by repo_id for key share of repo`,
      [inOrder],
    );
  }

  async markCaughtUp(behind: readonly BehindRepo[]): Promise<void> {
    await this.db.query(
      `delete from ref_sync using unnest($1::text[], $2::bigint[]) as seen(repo_id, version)
        where ref_sync.repo_id = seen.repo_id and ref_sync.version = seen.version`,
      [behind.map((entry) => entry.repoId), behind.map((entry) => entry.version)],
    );
  }

  async findDefaultBranch(repoId: string): Promise<string | null> {
    const [row] = await this.db.query<{ name: string }>('select default_branch as name from repo where id = $1', [
      repoId,
    ]);
    return row?.name ?? null;
  }
}

const BEHIND = `behind as (insert into ref_sync (repo_id) select $1 from changed
  on conflict (repo_id) do update set version = ref_sync.version + 1, enqueued_at = now())`;

const TURN_KEY = `hashtextextended('branch-turn:' || $1::text || ' ' || $2::text, 0)`;
/** Waits, before any row is locked, until nobody has the branch's turn; not evaluated where nothing reads it. */
const TURN = `turn as materialized (select pg_advisory_xact_lock_shared(${TURN_KEY}))`;

/** The statement that changes a ref: to its target ($3, $4), or away, if it is what is expected (the last parameter). */
function changeOf(expected: string | null, hasTarget: boolean, waitsForTurn: boolean): string {
  if (!hasTarget) {
    return `delete from ref where repo_id = $1 and name = $2 and ($3 = 'any' or sha = $3) returning name`;
  }
  const insert = 'insert into ref (repo_id, name, sha, peeled) values ($1, $2, $3, $4)';
  if (expected === null) return `${insert} on conflict do nothing returning name`;
  if (expected === 'any') {
    return `${insert} on conflict (repo_id, name) do update set sha = $3, peeled = $4, updated_at = now() returning name`;
  }
  return `update ref set sha = $3, peeled = $4, updated_at = now() ${waitsForTurn ? 'from turn' : ''}
    where repo_id = $1 and name = $2 and sha = $5 returning name`;
}

export const VISIBLE_PREFIXES = [BRANCH_PREFIX, TAG_PREFIX] as const;
