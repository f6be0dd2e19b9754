import { Injectable } from '@nestjs/common';
import { IsNull, MoreThan } from 'typeorm';
import { Database } from '#platform';
import type { User } from '../account.js';
import { UserEntity } from '../account.entity.js';
import type { Invite, InviteRole } from './invite.js';
import { InviteEntity } from './invite.entity.js';

/** An invite as the invited person sees it. */
export interface ReceivedInvite {
  readonly id: string;
  readonly orgId: string;
  readonly orgName: string;
  readonly role: InviteRole;
  readonly invitedByEmail: string;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

/** How many of one's invites are listed: more organisations than anybody is in. */
const MAX_LISTED = 200;

/** Every query on invites. Writers hold the lock of the organisation. */
@Injectable()
export class InvitesRepository {
  constructor(private readonly db: Database) {}

  async insert(invite: Invite): Promise<void> {
    await this.db.repo(InviteEntity).insert({ ...invite });
  }

  /** Puts a new invite in the place of a stale one. */
  async replace(staleId: string, invite: Invite): Promise<void> {
    await this.db.repo(InviteEntity).update({ id: staleId }, { ...invite });
  }

  find(id: string): Promise<Invite | null> {
    return this.db.repo(InviteEntity).findOneBy({ id });
  }

  /** With its row locked until the transaction ends. */
  lock(id: string, orgId: string): Promise<Invite | null> {
    return this.db.repo(InviteEntity).findOne({ where: { id, orgId }, lock: { mode: 'pessimistic_write' } });
  }

  /** With its row locked until the transaction ends. */
  lockByEmail(orgId: string, email: string): Promise<Invite | null> {
    return this.db.repo(InviteEntity).findOne({ where: { orgId, email }, lock: { mode: 'pessimistic_write' } });
  }

  /** Newest first. */
  listPending(orgId: string, now: Date): Promise<Invite[]> {
    return this.db.repo(InviteEntity).find({
      where: { orgId, acceptedAt: IsNull(), declinedAt: IsNull(), expiresAt: MoreThan(now) },
      order: { createdAt: 'DESC', id: 'ASC' },
    });
  }

  countPending(orgId: string, now: Date): Promise<number> {
    return this.db
      .repo(InviteEntity)
      .countBy({ orgId, acceptedAt: IsNull(), declinedAt: IsNull(), expiresAt: MoreThan(now) });
  }

  /** Newest first. */
  listReceived(email: string, now: Date): Promise<ReceivedInvite[]> {
    return this.db.query<ReceivedInvite>(
      `select i.id, i.org_id as "orgId", o.name as "orgName", i.role, u.email as "invitedByEmail",
              i.created_at as "createdAt", i.expires_at as "expiresAt"
         from org_invite i join organisation o on o.id = i.org_id join app_user u on u.id = i.invited_by
        where i.email = $1 and i.accepted_at is null and i.declined_at is null and i.expires_at > $2
        order by i.created_at desc, i.id limit $3`,
      [email, now, MAX_LISTED],
    );
  }

  async hasLive(email: string, now: Date): Promise<boolean> {
    return this.db
      .repo(InviteEntity)
      .existsBy({ email, acceptedAt: IsNull(), declinedAt: IsNull(), expiresAt: MoreThan(now) });
  }

  async isMember(orgId: string, email: string): Promise<boolean> {
    const rows = await this.db.query(
      'select from org_member m join app_user u on u.id = m.user_id where m.org_id = $1 and u.email = $2',
      [orgId, email],
    );
    return rows.length > 0;
  }

  /** False when it was answered before. */
  async markAccepted(id: string, now: Date): Promise<boolean> {
    const changed = await this.db
      .repo(InviteEntity)
      .update({ id, acceptedAt: IsNull(), declinedAt: IsNull() }, { acceptedAt: now, tokenDigest: null });
    return changed.affected === 1;
  }

  /** False when it was answered before. */
  async markDeclined(id: string, now: Date, reason: string | null): Promise<boolean> {
    const changed = await this.db
      .repo(InviteEntity)
      .update(
        { id, acceptedAt: IsNull(), declinedAt: IsNull() },
        { declinedAt: now, declineReason: reason, tokenDigest: null },
      );
    return changed.affected === 1;
  }

  async markMailed(id: string, mailed: Pick<Invite, 'lastEmailedAt' | 'mailId' | 'tokenDigest'>): Promise<void> {
    await this.db.repo(InviteEntity).update({ id }, { ...mailed });
  }

  async remove(id: string): Promise<void> {
    await this.db.repo(InviteEntity).delete({ id });
  }

  /** Locked until the transaction ends: a deactivation that is under way is waited for. After the organisation's lock. */
  lockUser(id: string): Promise<User | null> {
    return this.db.repo(UserEntity).findOne({ where: { id }, lock: { mode: 'pessimistic_write' } });
  }

  /** The address of this person is theirs. */
  async verifyEmail(userId: string): Promise<void> {
    await this.db.query('update app_user set email_verified = true where id = $1', [userId]);
  }
}
