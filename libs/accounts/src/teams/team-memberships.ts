import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import { Database, type Principal } from '#platform';
import { Memberships } from '../organisations/memberships.js';
import { isTeamId, teamNotFound } from './team.js';
import { TeamsRepository } from './teams.repository.js';

/** Teams as those whom something is given to, for other libs. */
@Injectable()
export class TeamMemberships {
  constructor(
    private readonly db: Database,
    private readonly teams: TeamsRepository,
    private readonly memberships: Memberships,
  ) {}

  /**
   * Ids of the teams the caller is in now, as far as the credential reaches: one that acts for an organisation reaches
   * that one's teams only, and others none whose organisation wants a key from its single sign-on.
   */
  async reachedBy(caller: Principal): Promise<string[]> {
    const rows = await this.db.query<{ id: string }>(
      `select t.id from team_member m join team t on t.id = m.team_id
        where m.user_id = $1 and case when $2::text is not null then t.org_id = $2
          else not exists (select from sso_bound b where b.org_id = t.org_id and b.user_id = $1) end`,
      [caller.userId, caller.orgId],
    );
    return rows.map(({ id }) => id);
  }

  /**
   * Inside a transaction, to the end of which the team stays. Errors: `not_found` also for teams of organisations that
   * the caller is not in or the credential does not reach; `forbidden` for who is not in the team.
   */
  async assertMember(caller: Principal, teamId: string, refusal: string): Promise<void> {
    const team = isTeamId(teamId) ? await this.teams.find(teamId) : null;
    if (!team || !(await this.memberships.findReached(caller, team.orgId))) throw teamNotFound();
    const isThere = await this.db.query('select from team where id = $1 for key share', [teamId]);
    if (isThere.length === 0) throw teamNotFound();
    const rows = await this.db.query('select from team_member where team_id = $1 and user_id = $2', [
      teamId,
      caller.userId,
    ]);
    if (rows.length === 0) throw new DomainError('forbidden', refusal);
  }
}
