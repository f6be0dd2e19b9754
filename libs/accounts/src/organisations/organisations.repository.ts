import { Injectable } from '@nestjs/common';
import { Database, Revocations } from '#platform';
import { MembershipEntity, OrganisationEntity } from './organisation.entity.js';
import type { Member, Membership, Organisation, OrgProfile, OrgRole, OrgSettings } from './organisation.js';

/** Every query that changes organisations and their members; look-ups and locks of members are in Memberships. */
@Injectable()
export class OrganisationsRepository {
  constructor(
    private readonly db: Database,
    private readonly revocations: Revocations,
  ) {}

  async insert(org: Organisation): Promise<void> {
    await this.db.repo(OrganisationEntity).insert({ ...org });
  }

  async insertMember(membership: Membership): Promise<void> {
    await this.db.repo(MembershipEntity).insert({ ...membership });
    await this.revocations.append('user', membership.userId);
  }

  async findProfile(orgId: string): Promise<OrgProfile | null> {
    const [row] = await this.db.query<OrgProfile & { storageLimitBytes: string; storageUsedBytes: string }>(
      `select o.id, o.account_id as "accountId", o.name, a.slug, a.tier, o.seats_limit as "seatsLimit",
              (select count(*)::integer from org_member m where m.org_id = o.id) as "seatsUsed",
              o.storage_limit_bytes as "storageLimitBytes",
              coalesce((select s.bytes from account_storage s where s.account_id = a.id), 0) as "storageUsedBytes"
         from organisation o join account a on a.id = o.account_id where o.id = $1`,
      [orgId],
    );
    if (!row) return null;
    const { storageLimitBytes, storageUsedBytes } = row;
    return { ...row, storageLimitBytes: Number(storageLimitBytes), storageUsedBytes: Number(storageUsedBytes) };
  }

  /** By name. */
  listOf(userId: string): Promise<{ id: string; name: string; slug: string; role: OrgRole }[]> {
    return this.db.query(
      `select o.id, o.name, a.slug, m.role
         from org_member m join organisation o on o.id = m.org_id join account a on a.id = o.account_id
        where m.user_id = $1 order by o.name, o.id`,
      [userId],
    );
  }

  /** The one who joined first in front. */
  listMembers(orgId: string): Promise<Member[]> {
    return this.db.query<Member>(
      `select u.id as "userId", u.email, u.display_name as "displayName", m.role, m.joined_at as "joinedAt"
         from org_member m join app_user u on u.id = m.user_id
        where m.org_id = $1 order by m.joined_at, u.id`,
      [orgId],
    );
  }

  async rename(orgId: string, name: string): Promise<void> {
    await this.db.repo(OrganisationEntity).update({ id: orgId }, { name });
  }

  async saveSettings(orgId: string, settings: OrgSettings): Promise<void> {
    await this.db.repo(OrganisationEntity).update({ id: orgId }, { ...settings });
  }

  /** Owners are exempt from the single sign-on: what nodes have cached was judged by the former role. */
  async changeRole(orgId: string, userId: string, role: OrgRole): Promise<void> {
    await this.db.repo(MembershipEntity).update({ orgId, userId }, { role });
    await this.revocations.append('user', userId);
  }

  /**
   * Ends a membership with all that hung on it. Service keys the person minted go on under the owner: they are the
   * organisation's. Keys of the person for the organisation's account end, and so does what nodes have cached.
   */
  async removeMember(org: Organisation, userId: string, now: Date): Promise<void> {
    const { id: orgId, accountId } = org;
    await this.db.query(
      'delete from team_member tm using team t where t.id = tm.team_id and t.org_id = $1 and tm.user_id = $2',
      [orgId, userId],
    );
    await this.db.query('update app_user set default_org_id = null where id = $2 and default_org_id = $1', [
      orgId,
      userId,
    ]);
    await this.db.query(
      `update api_key k set user_id = m.user_id from org_member m
        where k.account_id = $1 and k.kind = 'service_key' and k.user_id = $2 and m.org_id = $3 and m.role = 'owner'`,
      [accountId, userId, orgId],
    );
    await this.db.query(
      `update api_key set revoked_at = $3, revoke_reason = 'membership ended', replaced_by = null
        where account_id = $1 and user_id = $2 and (revoked_at is null or revoked_at > $3)`,
      [accountId, userId, now],
    );
    await this.db.repo(MembershipEntity).delete({ orgId, userId });
    await this.revocations.append('user', userId);
  }

  /** Its members, invites, teams and transfers go with it; its account stays, so that no other can have its slugs. */
  async remove(org: Organisation, now: Date): Promise<void> {
    await this.db.query(
      `update api_key set revoked_at = $2, revoke_reason = 'organization deleted', replaced_by = null
        where account_id = $1 and (revoked_at is null or revoked_at > $2)`,
      [org.accountId, now],
    );
    await this.db.repo(OrganisationEntity).delete({ id: org.id });
    await this.db.query('update account set closed_at = $2 where id = $1', [org.accountId, now]);
    await this.revocations.append('account', org.accountId);
  }
}
