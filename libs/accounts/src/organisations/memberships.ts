import { Injectable } from '@nestjs/common';
import { DomainError, isUuid } from '#kernel';
import { Database, type Principal } from '#platform';
import { MembershipEntity, OrganisationEntity } from './organisation.entity.js';
import { ssoRequired } from './sso-required.js';
import { isAtLeast, isOrgId, type Membership, type Organisation, type OrgRole } from './organisation.js';

/** Who belongs to which organisation, and with which role: look-ups, locks and the role check of every org route. */
@Injectable()
export class Memberships {
  constructor(private readonly db: Database) {}

  findOrgOf(accountId: string): Promise<Organisation | null> {
    return this.db.repo(OrganisationEntity).findOneBy({ accountId });
  }

  findOrg(orgId: string): Promise<Organisation | null> {
    return this.db.repo(OrganisationEntity).findOneBy({ id: orgId });
  }

  /**
   * The organisation with its row locked until the transaction ends. Everything that adds, changes or removes members
   * takes this lock first, so that seats and roles are judged one change at a time. Errors: `not_found`.
   */
  async lockOrg(orgId: string): Promise<Organisation> {
    if (!isOrgId(orgId)) throw orgNotFound();
    const org = await this.db.repo(OrganisationEntity).findOne({
      where: { id: orgId },
      lock: { mode: 'pessimistic_write' },
    });
    if (!org) throw orgNotFound();
    return org;
  }

  /** Ids of any shape may be asked for: what we cannot have issued is nobody's. */
  async find(orgId: string, userId: string): Promise<Membership | null> {
    if (!isOrgId(orgId) || !isUuid(userId)) return null;
    return this.db.repo(MembershipEntity).findOneBy({ orgId, userId });
  }

  /** A person's memberships, the one joined first in front. */
  listOf(userId: string): Promise<Membership[]> {
    return this.db.repo(MembershipEntity).find({ where: { userId }, order: { joinedAt: 'ASC', orgId: 'ASC' } });
  }

  countIn(orgId: string): Promise<number> {
    return this.db.repo(MembershipEntity).countBy({ orgId });
  }

  /** The organisation "my org" means on singular routes: the caller's default one, else the one joined first. */
  async findHome(userId: string): Promise<Membership | null> {
    const [row] = await this.db.query<Membership>(
      `select m.org_id as "orgId", m.user_id as "userId", m.role, m.joined_at as "joinedAt"
         from org_member m join app_user u on u.id = m.user_id
        where m.user_id = $1
        order by (m.org_id = u.default_org_id) desc nulls last, m.joined_at, m.org_id limit 1`,
      [userId],
    );
    return row ?? null;
  }

  /**
   * In the organisation the credential acts for, if any, else in the caller's home. Errors: `forbidden` when that wants a
   * key from its single sign-on.
   */
  async findHomeOf(caller: Principal): Promise<Membership | null> {
    const membership = await (caller.orgId === null
      ? this.findHome(caller.userId)
      : this.find(caller.orgId, caller.userId));
    if (membership) await this.assertSignIn(caller, membership);
    return membership;
  }

  /**
   * The caller's membership, as far as the credential reaches it: one that acts for an organisation reaches no other one
   * of its person's by naming it in a path. Errors: `forbidden` when it takes a key from the single sign-on.
   */
  async findReached(caller: Principal, orgId: string): Promise<Membership | null> {
    if (caller.orgId !== null && caller.orgId !== orgId) return null;
    const membership = await this.find(orgId, caller.userId);
    if (membership) await this.assertSignIn(caller, membership);
    return membership;
  }

  /** As findReached, of the organisation whose account it is. */
  async findReachedByAccount(caller: Principal, accountId: string): Promise<Membership | null> {
    const org = await this.findOrgOf(accountId);
    return org && this.findReached(caller, org.id);
  }

  /**
   * The caller's membership, if its role suffices. Errors: `not_found` (no such organisation, or the caller is not in
   * it: the two look alike), `forbidden` with reason `insufficient_role` (sessionfs-2.md §2.4).
   */
  async assertRole(caller: Principal, orgId: string, needed: OrgRole): Promise<Membership> {
    const membership = await this.findReached(caller, orgId);
    if (!membership) throw orgNotFound();
    if (!isAtLeast(membership.role, needed)) throw insufficientRole(membership.role, needed);
    return membership;
  }

  /** As assertRole for singular routes: without any organisation it is `forbidden` with `current_role: "none"`. */
  async assertHomeRole(caller: Principal, needed: OrgRole): Promise<Membership> {
    const membership = await this.findHomeOf(caller);
    if (!membership) throw insufficientRole('none', needed);
    if (!isAtLeast(membership.role, needed)) throw insufficientRole(membership.role, needed);
    return membership;
  }

  /**
   * A credential that acts for the organisation was judged when it was verified; others must not get around its single
   * sign-on by naming it in a path.
   */
  private async assertSignIn(caller: Principal, { orgId, userId, role }: Membership): Promise<void> {
    if (caller.orgId === orgId || role === 'owner') return;
    const [bound] = await this.db.query<{ slug: string }>(
      `select a.slug from sso_bound b join organisation o on o.id = b.org_id join account a on a.id = o.account_id
        where b.org_id = $1 and b.user_id = $2`,
      [orgId, userId],
    );
    if (bound) throw ssoRequired(bound.slug);
  }

  /**
   * For whatever changes members, roles or what hangs on them: the organisation locked, and the caller's role as it is
   * under that lock. Strangers are turned away before they can take it. Errors: as assertRole.
   */
  async lockWithRole(caller: Principal, orgId: string, needed: OrgRole): Promise<Organisation> {
    await this.assertRole(caller, orgId, needed);
    const org = await this.lockOrg(orgId);
    await this.assertRole(caller, orgId, needed);
    return org;
  }
}

export function orgNotFound(): DomainError {
  return new DomainError('not_found', 'Organization not found');
}

/** sessionfs-2.md §2.4: the body of a role that does not suffice. */
export function insufficientRole(current: OrgRole | 'none', needed: OrgRole): DomainError {
  const message =
    current === 'none'
      ? 'This action requires an organization membership.'
      : `This action requires the ${needed} role.`;
  return new DomainError('forbidden', message, {
    reason: 'insufficient_role',
    details: { current_role: current, required_role: needed },
  });
}
