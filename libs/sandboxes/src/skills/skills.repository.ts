import { Injectable } from '@nestjs/common';
import { Database } from '#platform';
import type { Skill } from './skill.js';
import type { KnownSkill } from './skill-list.js';

const SELECT = `select k.name, v.description, v.files, v.total_bytes::float8 as "totalBytes",
    v.skill_md_bytes::float8 as "skillMdBytes", v.archive_digest as "archiveDigest", k.created_at as "createdAt",
    v.created_at as "updatedAt"
  from skill k join skill_version v on v.id = k.version_id`;

export interface SkillVersion {
  readonly id: string;
  readonly accountId: string;
}

/** Every query on skills. Times are the application's. */
@Injectable()
export class SkillsRepository {
  constructor(private readonly db: Database) {}

  /** Uploads of one account wait for each other until the transaction ends, so that its limit holds. */
  async lockAccount(accountId: string): Promise<void> {
    await this.db.query(`select pg_advisory_xact_lock(hashtextextended('skills:' || $1, 0))`, [accountId]);
  }

  async count(accountId: string): Promise<number> {
    const [row] = await this.db.query<{ count: string }>('select count(*) from skill where account_id = $1', [
      accountId,
    ]);
    return Number(row?.count ?? 0);
  }

  /** By name. */
  list(accountId: string): Promise<Skill[]> {
    return this.db.query<Skill>(`${SELECT} where k.account_id = $1 order by k.name collate "C"`, [accountId]);
  }

  async find(accountId: string, name: string): Promise<Skill | null> {
    const [row] = await this.db.query<Skill>(`${SELECT} where k.account_id = $1 and k.name = $2`, [accountId, name]);
    return row ?? null;
  }

  /** Makes the version what the skill is from now on. */
  async put(accountId: string, version: string, skill: Skill): Promise<void> {
    await this.db.query(
      `insert into skill_version (id, account_id, description, files, total_bytes, skill_md_bytes, archive_digest,
         created_at) values ($1, $2, $3, $4, $5, $6, $7, $8)`,
      [
        version,
        accountId,
        skill.description,
        skill.files,
        skill.totalBytes,
        skill.skillMdBytes,
        skill.archiveDigest,
        skill.updatedAt,
      ],
    );
    await this.db.query(
      `insert into skill (account_id, name, version_id, created_at) values ($1, $2, $3, $4)
       on conflict (account_id, name) do update set version_id = excluded.version_id`,
      [accountId, skill.name, version, skill.createdAt],
    );
  }

  /** False when there was none. */
  async delete(accountId: string, name: string): Promise<boolean> {
    const rows = await this.db.query(
      `with gone as (delete from skill where account_id = $1 and name = $2 returning name) select name from gone`,
      [accountId, name],
    );
    return rows.length > 0;
  }

  /**
   * The skills that the account has now become those of a new sandbox; answers their names. Whoever replaces or deletes
   * one of them waits, so that its version is not forgotten meanwhile.
   */
  async giveTo(sandboxId: string, accountId: string): Promise<string[]> {
    const given = await this.db.query<{ name: string }>(
      `insert into sandbox_skill (sandbox_id, name, version_id)
       select $1, name, version_id from skill where account_id = $2 for share returning name`,
      [sandboxId, accountId],
    );
    return given.map(({ name }) => name).sort();
  }

  /** What a sandbox's skills are for, by name. */
  ofSandbox(sandboxId: string): Promise<KnownSkill[]> {
    return this.db.query<KnownSkill>(
      `select s.name, v.description from sandbox_skill s join skill_version v on v.id = s.version_id
        where s.sandbox_id = $1 order by s.name collate "C"`,
      [sandboxId],
    );
  }

  /** Forgets versions that no skill and no sandbox refers to, of one account or (null) of all; answers which. */
  forgetUnused(accountId: string | null, limit: number): Promise<SkillVersion[]> {
    return this.db.query(
      `with gone as (
         delete from skill_version where id in (
           select v.id from skill_version v
            where ($1::uuid is null or v.account_id = $1)
              and not exists (select 1 from skill k where k.version_id = v.id)
              and not exists (select 1 from sandbox_skill s where s.version_id = v.id)
            limit $2 for update of v skip locked)
         returning id, account_id)
       select id, account_id as "accountId" from gone`,
      [accountId, limit],
    );
  }

  /** Those of the ids that are versions. */
  async known(ids: readonly string[]): Promise<Set<string>> {
    const rows = await this.db.query<{ id: string }>('select id from skill_version where id = any($1)', [ids]);
    return new Set(rows.map(({ id }) => id));
  }
}
