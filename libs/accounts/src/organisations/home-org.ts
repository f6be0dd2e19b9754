import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import { Audit, Database, type Principal } from '#platform';
import { Memberships } from './memberships.js';
import type { OrgRole } from './organisation.js';

/** The organisation a person means by "mine", as they see it. */
export interface HomeOrg {
  readonly orgId: string;
  readonly name: string;
  readonly role: OrgRole;
}

const ORG_ID = /^org_[0-9a-f]{16}$/;

/** Which organisation is the caller's by default (sessionfs-1.md §3.3, §3.4). */
@Injectable()
export class HomeOrgs {
  constructor(
    private readonly db: Database,
    private readonly memberships: Memberships,
    private readonly audit: Audit,
  ) {}

  /** The organisation the caller's key acts for, else the default one, else the one joined first; null without any. */
  async find(caller: Principal): Promise<HomeOrg | null> {
    const membership =
      caller.orgId === null
        ? await this.memberships.findHome(caller.userId)
        : await this.memberships.find(caller.orgId, caller.userId);
    const org = membership && (await this.memberships.findOrg(membership.orgId));
    return org && { orgId: org.id, name: org.name, role: membership.role };
  }

  async findDefault(userId: string): Promise<string | null> {
    const [row] = await this.db.query<{ orgId: string | null }>(
      'select default_org_id as "orgId" from app_user where id = $1',
      [userId],
    );
    return row?.orgId ?? null;
  }

  /** Null: none. Errors: `forbidden` for an organisation the caller is not in, or that does not exist. */
  async setDefault(caller: Principal, orgId: string | null): Promise<void> {
    await this.db.transaction(async () => {
      if (orgId !== null && !(ORG_ID.test(orgId) && (await this.memberships.find(orgId, caller.userId)))) {
        throw new DomainError('forbidden', 'You are not a member of that org');
      }
      await this.db.query('update app_user set default_org_id = $2 where id = $1', [caller.userId, orgId]);
      const subject = { accountId: caller.accountId, kind: 'user', id: caller.userId };
      await this.audit.record(caller, 'user.set_default_org', subject, { org: orgId });
    });
  }
}
