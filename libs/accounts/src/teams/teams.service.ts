import { Injectable } from '@nestjs/common';
import { Clock, DomainError, isUuid } from '#kernel';
import { Audit, Database, Events, type Principal } from '#platform';
import { Memberships } from '../organisations/memberships.js';
import type { Organisation } from '../organisations/organisation.js';
import { isTeamId, newTeamId, type Team, type TeamMember, teamNotFound, teamSlugTaken } from './team.js';
import { TEAM_CREATED, TEAM_DELETED, TEAM_MEMBER_ADDED, TEAM_MEMBER_REMOVED, TEAM_RENAMED } from './teams.events.js';
import { TeamsRepository } from './teams.repository.js';

export interface NewTeam {
  /** Null: the caller's home organisation. */
  readonly orgId: string | null;
  readonly name: string;
  readonly slug: string;
}

/** Teams of an organisation: members look, admins change. A team is found in any organisation of the caller. */
@Injectable()
export class TeamsService {
  constructor(
    private readonly db: Database,
    private readonly teams: TeamsRepository,
    private readonly memberships: Memberships,
    private readonly events: Events,
    private readonly audit: Audit,
    private readonly clock: Clock,
  ) {}

  /** Errors: `forbidden`, `not_found` for the organisation, `conflict` when it has a team of that slug. */
  async create(caller: Principal, input: NewTeam): Promise<Team> {
    return this.db.transaction(async () => {
      const orgId = input.orgId ?? (await this.memberships.assertHomeRole(caller, 'admin')).orgId;
      const org = await this.memberships.lockWithRole(caller, orgId, 'admin');
      const { name, slug } = input;
      const facts = { orgId, name, slug, createdBy: caller.userId, createdAt: this.clock.date() };
      const team: Team = { id: newTeamId(), ...facts, memberCount: 0 };
      if (!(await this.teams.insert(team))) throw teamSlugTaken(slug);
      await this.record(caller, TEAM_CREATED, org, team, { name, slug });
      return team;
    });
  }

  /** Oldest first. Errors: `forbidden` without any organisation, `not_found` for one that is not the caller's. */
  async list(caller: Principal, orgId: string | null): Promise<Team[]> {
    const home = orgId === null ? await this.memberships.findHomeOf(caller) : null;
    if (orgId === null && !home) throw organisationRequired();
    const membership = home ?? (await this.memberships.assertRole(caller, orgId ?? '', 'member'));
    return this.teams.listIn(membership.orgId);
  }

  /** Errors: `not_found`, also for a team of an organisation the caller is not in. */
  async get(caller: Principal, teamId: string): Promise<Team> {
    const team = isTeamId(teamId) ? await this.teams.find(teamId) : null;
    if (team && (await this.memberships.findReached(caller, team.orgId))) return team;
    if (!(await this.memberships.findHomeOf(caller))) throw organisationRequired();
    throw teamNotFound();
  }

  /** Errors: `not_found`, `forbidden`, `conflict` for the slug. */
  async rename(caller: Principal, teamId: string, change: { name?: string; slug?: string }): Promise<Team> {
    return this.change(caller, teamId, async (org, team) => {
      const renamed = { ...team, ...change };
      const { name, slug } = renamed;
      if (slug !== team.slug && (await this.teams.hasSlug(org.id, slug))) throw teamSlugTaken(slug);
      await this.teams.rename(team.id, name, slug);
      await this.record(caller, TEAM_RENAMED, org, team, { name, slug });
      return renamed;
    });
  }

  /** Errors: `not_found`, `forbidden`. */
  async delete(caller: Principal, teamId: string): Promise<void> {
    await this.change(caller, teamId, async (org, team) => {
      await this.teams.delete(team.id);
      await this.record(caller, TEAM_DELETED, org, team, { name: team.name, slug: team.slug });
    });
  }

  /** Errors: `invalid_input` for a stranger to the organisation, `conflict` for a member, `not_found`, `forbidden`. */
  async addMember(caller: Principal, teamId: string, userId: string): Promise<TeamMember> {
    return this.change(caller, teamId, async (org, team) => {
      const target = await this.memberships.find(org.id, userId);
      if (!target) {
        throw new DomainError('invalid_input', 'Target user is not a member of this org', { field: 'user_id' });
      }
      const addedAt = this.clock.date();
      if (!(await this.teams.insertMember(team.id, target.userId, caller.userId, addedAt))) {
        throw new DomainError('conflict', 'User is already a member of this team');
      }
      const facts = { user_id: target.userId };
      await this.record(caller, TEAM_MEMBER_ADDED, org, team, facts);
      const email = await this.teams.findEmail(target.userId);
      return { userId: target.userId, email, addedBy: caller.userId, addedAt };
    });
  }

  /** Errors: `not_found`. */
  async listMembers(caller: Principal, teamId: string): Promise<TeamMember[]> {
    const team = await this.get(caller, teamId);
    return this.teams.listMembers(team.id);
  }

  /** Errors: `not_found`, `forbidden`. */
  async removeMember(caller: Principal, teamId: string, userId: string): Promise<void> {
    await this.change(caller, teamId, async (org, team) => {
      if (!isUuid(userId) || !(await this.teams.deleteMember(team.id, userId))) {
        throw new DomainError('not_found', 'Team member not found');
      }
      const facts = { user_id: userId.toLowerCase() };
      await this.record(caller, TEAM_MEMBER_REMOVED, org, team, facts);
    });
  }

  /** As an admin of the team's organisation, which is locked meanwhile: nobody in it changes under the change. */
  private async change<Result>(
    caller: Principal,
    teamId: string,
    work: (org: Organisation, team: Team) => Promise<Result>,
  ): Promise<Result> {
    return this.db.transaction(async () => {
      const { orgId } = await this.get(caller, teamId);
      const org = await this.memberships.lockWithRole(caller, orgId, 'admin');
      return work(org, await this.get(caller, teamId));
    });
  }

  /** The audit action says what the event says. */
  private async record(
    caller: Principal,
    event: string,
    org: Organisation,
    team: Team,
    facts: Record<string, unknown>,
  ): Promise<void> {
    const subject = { accountId: org.accountId, kind: 'team', id: team.id };
    await this.events.record(event, subject, facts);
    await this.audit.record(caller, event, subject, facts);
  }
}

function organisationRequired(): DomainError {
  return new DomainError('forbidden', 'Organization required');
}
