import { Injectable } from '@nestjs/common';
import { Clock, DomainError, isUuid } from '#kernel';
import { EntitlementsService, type TierChange } from '#accounts';
import { Audit, type AuditSubject, Database, Events, type Page, type Principal } from '#platform';
import type { Key, MintedKey } from '../keys/key.js';
import { KeysRepository } from '../keys/keys.repository.js';
import { KeysService } from '../keys/keys.service.js';
import { type AdminUser, type AdminUserDetail, type LockedUser, type ShownTier, shownTier } from './admin-user.js';
import { AdminUsersRepository, type UserFilter } from './admin-users.repository.js';

export interface UserPage {
  readonly users: readonly AdminUser[];
  readonly total: number;
  /** The sort columns of the last one, when there are more. */
  readonly next: readonly string[] | null;
}

export interface MintedOnBehalf extends MintedKey {
  readonly user: LockedUser;
}

export const DEFAULT_KEY_NAME = 'admin-minted';

/**
 * What platform administrators do with users (sessionfs-2.md §15). A null actor is the operator at the command line.
 * Deactivation is in Deactivation.
 */
@Injectable()
export class AdminUsersService {
  constructor(
    private readonly db: Database,
    private readonly users: AdminUsersRepository,
    private readonly keys: KeysRepository,
    private readonly keysService: KeysService,
    private readonly entitlements: EntitlementsService,
    private readonly events: Events,
    private readonly audit: Audit,
    private readonly clock: Clock,
  ) {}

  async list(filter: UserFilter, page: Page): Promise<UserPage> {
    const { users, next } = await this.users.list(filter, page);
    return { users, next, total: await this.users.count(filter) };
  }

  /** Errors: `not_found`. */
  async get(caller: Principal, userId: string): Promise<AdminUserDetail> {
    const user = isUuid(userId) ? await this.users.find(userId) : null;
    if (!user) throw userNotFound();
    await this.audit.recordRead(caller, subjectOf(user));
    return user;
  }

  /** The user's live keys, newest first. Errors: `not_found`. */
  async listKeys(caller: Principal, userId: string): Promise<Key[]> {
    const user = isUuid(userId) ? await this.users.find(userId) : null;
    if (!user) throw userNotFound();
    await this.audit.recordRead(caller, subjectOf(user), { what: 'keys' });
    return this.keys.listLive(user.id, this.clock.date());
  }

  /** By id or address. Errors: `not_found`. */
  async resolve(idOrEmail: string): Promise<string> {
    const id = isUuid(idOrEmail) ? idOrEmail : await this.users.findIdByEmail(idOrEmail.trim().toLowerCase());
    if (!id) throw userNotFound();
    return id;
  }

  /**
   * Sets the tier of the user's personal account, or with `admin` makes the user a platform administrator, whose tier
   * is enterprise. Any other tier ends that role. Errors: `not_found`; `bad_request` for one's own role; `conflict`
   * with reason `last_admin`.
   */
  async changeTier(
    actor: Principal | null,
    userId: string,
    tier: ShownTier,
  ): Promise<{ userId: string; oldTier: ShownTier; newTier: ShownTier }> {
    return this.db.transaction(async () => {
      const user = await this.locked(userId);
      const toAdmin = tier === 'admin';
      if (user.isAdmin && !toAdmin) await this.assertMayLoseRole(actor, user);
      const change = await this.grant(actor, user, toAdmin ? 'enterprise' : tier);
      if (user.isAdmin !== toAdmin) await this.changeRole(actor, user, toAdmin);
      const oldTier = shownTier({ isAdmin: user.isAdmin, tier: change.oldTier });
      return { userId: user.id, oldTier, newTier: tier };
    });
  }

  /** Vouches for the user's address. Errors: `not_found`. */
  async verify(caller: Principal, userId: string): Promise<LockedUser> {
    return this.db.transaction(async () => {
      const user = await this.locked(userId);
      if (user.emailVerified) return user;
      await this.users.setVerified(user.id);
      await this.events.record('user.verified', subjectOf(user), { by: 'admin' });
      await this.audit.record(caller, 'verify', subjectOf(user));
      return user;
    });
  }

  /** Lets a deactivated user in again; the keys stay ended, so mint one. Errors: `not_found`. */
  async activate(caller: Principal, userId: string): Promise<LockedUser> {
    return this.db.transaction(async () => {
      const user = await this.locked(userId);
      if (user.isActive) return user;
      await this.users.setActive(user.id, true);
      await this.events.record('user.activated', subjectOf(user));
      await this.audit.record(caller, 'activate_user', subjectOf(user), { email: user.email });
      return user;
    });
  }

  /** A key for somebody who has lost theirs (seed 002). Errors: `not_found`, `forbidden` for an inactive user. */
  async mintKey(actor: Principal | null, userId: string, name: string | null): Promise<MintedOnBehalf> {
    return this.db.transaction(async () => {
      const user = await this.locked(userId);
      if (!user.isActive) throw new DomainError('forbidden', 'Cannot mint key for inactive user');
      const minted = await this.keysService.mint(user, { name: name ?? DEFAULT_KEY_NAME }, actor);
      const facts = { key_id: minted.key.id, name: minted.key.name, ...(actor === null && { via: 'cli' }) };
      await this.audit.record(actor, 'mint_api_key_on_behalf', subjectOf(user), facts);
      return { ...minted, user };
    });
  }

  private grant(actor: Principal | null, user: LockedUser, tier: Exclude<ShownTier, 'admin'>): Promise<TierChange> {
    const grant = { accountId: user.accountId, tier, source: 'admin', sourceRef: null, expiresAt: null } as const;
    return this.entitlements.grant(actor, grant, subjectOf(user));
  }

  private async changeRole(actor: Principal | null, user: LockedUser, isAdmin: boolean): Promise<void> {
    await this.users.setAdmin(user.id, isAdmin);
    await this.events.record('user.platform_role_changed', subjectOf(user), { is_admin: isAdmin });
    await this.audit.record(actor, 'platform_role_change', subjectOf(user), { is_admin: isAdmin });
  }

  private async assertMayLoseRole(actor: Principal | null, user: LockedUser): Promise<void> {
    if (actor?.userId === user.id) throw new DomainError('bad_request', 'You cannot demote yourself');
    if (!(await this.users.hasOtherAdmin(user.id))) throw lastAdmin();
  }

  private async locked(userId: string): Promise<LockedUser> {
    const user = isUuid(userId) ? await this.users.lock(userId) : null;
    if (!user) throw userNotFound();
    return user;
  }
}

export function userNotFound(): DomainError {
  return new DomainError('not_found', 'User not found');
}

export function lastAdmin(): DomainError {
  return new DomainError('conflict', 'The last platform administrator must stay', { reason: 'last_admin' });
}

export function subjectOf({
  id,
  accountId,
}: Pick<LockedUser, 'id' | 'accountId'>): AuditSubject & { accountId: string } {
  return { accountId, kind: 'user', id };
}
