import { Injectable } from '@nestjs/common';
import { Departures } from '#accounts';
import { Clock, DomainError, isUuid } from '#kernel';
import { Audit, Database, Events, type Principal } from '#platform';
import type { LockedUser } from './admin-user.js';
import { AdminUsersRepository } from './admin-users.repository.js';
import { lastAdmin, subjectOf, userNotFound } from './admin-users.service.js';

/** Ends what a user may do, everywhere within a second; what the user made stays. */
@Injectable()
export class Deactivation {
  constructor(
    private readonly db: Database,
    private readonly users: AdminUsersRepository,
    private readonly departures: Departures,
    private readonly events: Events,
    private readonly audit: Audit,
    private readonly clock: Clock,
  ) {}

  /**
   * Memberships, keys and pinned sessions end with the account's activity, or nothing does. Organisations of the user
   * get another owner; service keys the user minted go on under it. Does nothing to a user who is inactive already.
   * Errors: `not_found`; `bad_request` for oneself; `conflict` with reason `sole_owner` or `last_admin`.
   */
  async deactivate(caller: Principal, userId: string): Promise<void> {
    if (!isUuid(userId)) throw userNotFound();
    if (userId.toLowerCase() === caller.userId) throw new DomainError('bad_request', 'You cannot delete yourself');
    await this.db.transaction(async () => {
      const found: { user: LockedUser | null } = { user: null };
      const lockUser = async (): Promise<void> => void (found.user = await this.users.lock(userId));
      await this.departures.leaveAll(caller, userId, lockUser);
      const { user } = found;
      if (!user) throw userNotFound();
      if (!user.isActive) return;
      if (user.isAdmin && !(await this.users.hasOtherAdmin(user.id))) throw lastAdmin();
      await this.users.setActive(user.id, false);
      const keys = await this.users.revokeKeys(user.id, 'user deactivated', this.clock.date());
      await this.endSessions(caller, user);
      await this.events.record('user.deactivated', subjectOf(user), { keys });
      await this.audit.record(caller, 'delete_user', subjectOf(user), { email: user.email, keys });
    });
  }

  private async endSessions(caller: Principal, user: LockedUser): Promise<void> {
    for (const { id, accountId } of await this.users.endPinnedSessions(user.id, this.clock.date())) {
      const subject = { accountId, kind: 'pinned_session', id };
      await this.events.record('pinned_session.ended', subject, { reason: 'user_deactivated' });
      await this.audit.record(caller, 'pinned_session.end', subject, { reason: 'user_deactivated' });
    }
  }
}
