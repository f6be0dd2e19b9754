import { Injectable } from '@nestjs/common';
import { Database } from '#platform';
import type { Team, TeamMember } from './team.js';

const SELECT = `select t.id, t.org_id as "orgId", t.name, t.slug, t.created_by as "createdBy",
  t.created_at as "createdAt", (select count(*)::integer from team_member m where m.team_id = t.id) as "memberCount"
  from team t`;

/** Every query on teams. Members of a team are members of its organisation; who leaves one leaves the other. */
@Injectable()
export class TeamsRepository {
  constructor(private readonly db: Database) {}

  /** False when the organisation has a team of that slug, also by a creation that commits meanwhile. */
  async insert(team: Team): Promise<boolean> {
    const rows = await this.db.query(
      `insert into team (id, org_id, name, slug, created_by, created_at) values ($1, $2, $3, $4, $5, $6)
       on conflict (org_id, slug) do nothing returning id`,
      [team.id, team.orgId, team.name, team.slug, team.createdBy, team.createdAt],
    );
    return rows.length > 0;
  }

  async find(id: string): Promise<Team | null> {
    const [team] = await this.db.query<Team>(`${SELECT} where t.id = $1`, [id]);
    return team ?? null;
  }

  /** Oldest first. */
  listIn(orgId: string): Promise<Team[]> {
    return this.db.query<Team>(`${SELECT} where t.org_id = $1 order by t.created_at, t.id`, [orgId]);
  }

  async hasSlug(orgId: string, slug: string): Promise<boolean> {
    const rows = await this.db.query('select 1 from team where org_id = $1 and slug = $2', [orgId, slug]);
    return rows.length > 0;
  }

  async rename(id: string, name: string, slug: string): Promise<void> {
    await this.db.query('update team set name = $2, slug = $3 where id = $1', [id, name, slug]);
  }

  async delete(id: string): Promise<void> {
    await this.db.query('delete from team where id = $1', [id]);
  }

  /** False when the user is one already. */
  async insertMember(teamId: string, userId: string, addedBy: string, addedAt: Date): Promise<boolean> {
    const rows = await this.db.query(
      `insert into team_member (team_id, user_id, added_by, added_at) values ($1, $2, $3, $4)
       on conflict do nothing returning user_id`,
      [teamId, userId, addedBy, addedAt],
    );
    return rows.length > 0;
  }

  /** False when the user was none. */
  async deleteMember(teamId: string, userId: string): Promise<boolean> {
    const rows = await this.db.query('delete from team_member where team_id = $1 and user_id = $2 returning user_id', [
      teamId,
      userId,
    ]);
    return rows.length > 0;
  }

  /** The one added first in front. */
  async listMembers(teamId: string): Promise<TeamMember[]> {
    return this.db.query<TeamMember>(
      `select m.user_id as "userId", u.email, m.added_by as "addedBy", m.added_at as "addedAt"
         from team_member m join app_user u on u.id = m.user_id
        where m.team_id = $1 order by m.added_at, m.user_id`,
      [teamId],
    );
  }

  async findEmail(userId: string): Promise<string | null> {
    const [row] = await this.db.query<{ email: string }>('select email from app_user where id = $1', [userId]);
    return row?.email ?? null;
  }
}
