import { Injectable } from '@nestjs/common';
import {
  EffectiveTier,
  insufficientRole,
  isAtLeast,
  type Membership,
  Memberships,
  type Organisation,
  orgNotFound,
  UsersService,
} from '#accounts';
import { Clock, DomainError, isUuid } from '#kernel';
import { Database, type Principal } from '#platform';
import { checkExpiry } from '../keys/key-input.js';
import { KeyLedger } from '../keys/key-ledger.js';
import { isRevoked, type Key, type MintedKey } from '../keys/key.js';
import { KeysRepository } from '../keys/keys.repository.js';
import { type NewServiceKey, storedScopes } from './service-key.js';

/**
 * The keys of an organisation (sessionfs-1.md §4): its members see them, its administrators make, replace and end them.
 * They belong to the organisation, whose account and tier they act with, and outlive the membership of who made them.
 */
@Injectable()
export class ServiceKeysService {
  constructor(
    private readonly db: Database,
    private readonly keys: KeysRepository,
    private readonly ledger: KeyLedger,
    private readonly memberships: Memberships,
    private readonly tiers: EffectiveTier,
    private readonly users: UsersService,
    private readonly clock: Clock,
  ) {}

  /**
   * Errors: those of `assertMayChange`; `invalid_input` for an end that has passed, `forbidden` for one beyond that of
   * the calling key.
   */
  async create(caller: Principal, orgId: string, input: NewServiceKey): Promise<MintedKey> {
    const org = await this.assertMayChange(caller, orgId);
    const reach = await this.keys.findReach(caller.keyId);
    checkExpiry(input.expiresAt, reach?.expiresAt ?? null, this.clock.now());
    return this.ledger.make(caller, {
      kind: 'service_key',
      userId: caller.userId,
      accountId: org.accountId,
      name: input.name,
      scopes: storedScopes(input.scopes),
      projectIds: input.projectIds === null ? null : [...input.projectIds],
      expiresAt: input.expiresAt,
      createdBy: caller.userId,
      ssoIdentityId: null,
    });
  }

  /** Revoked ones included, newest first. Errors: `not_found` for an organisation the caller is not in. */
  async list(caller: Principal, orgId: string): Promise<Key[]> {
    const { accountId } = await this.getSeen(caller, orgId);
    return this.keys.listOfOrganisation(accountId);
  }

  /** Errors: `not_found`. */
  async get(caller: Principal, orgId: string, keyId: string): Promise<Key> {
    const { accountId } = await this.getSeen(caller, orgId);
    const key = isUuid(keyId) ? await this.keys.findOfOrganisation(accountId, keyId) : null;
    if (!key) throw keyNotFound();
    return key;
  }

  /** Ends the key everywhere within a second; repeating it changes nothing. Errors: `not_found`, `assertMayChange`. */
  async revoke(caller: Principal, orgId: string, keyId: string, reason: string | null): Promise<void> {
    const org = await this.assertMayChange(caller, orgId);
    await this.db.transaction(async () => {
      const key = await this.lock(org, keyId);
      // A key whose grace is over has ended, but the sessions it opened have not.
      const isOver = isRevoked(key, this.clock.now()) && key.replacedBy === null;
      if (!isOver) await this.ledger.end(caller, key, reason ?? 'revoked by an administrator');
    });
  }

  /** A new key in the place of another; see KeyLedger.replace. Errors: `not_found`, `conflict`, `assertMayChange`. */
  async rotate(caller: Principal, orgId: string, keyId: string, graceSeconds: number): Promise<MintedKey> {
    const org = await this.assertMayChange(caller, orgId);
    const { email } = await this.users.get(caller.userId);
    return this.db.transaction(async () => {
      const key = await this.lock(org, keyId);
      return this.ledger.replace(caller, key, { graceSeconds, reason: `rotated by ${email}` });
    });
  }

  /**
   * Tier, then role, then the organisation itself (sessionfs-1.md §4.1), each judged in the one that the path names when
   * the caller is in it, else in the caller's own. Errors: `forbidden` with reason `upgrade_required` or
   * `insufficient_role`; `not_found`.
   */
  private async assertMayChange(caller: Principal, orgId: string): Promise<Organisation> {
    const found = await this.find(caller, orgId);
    if (!found) {
      await this.tiers.assertFeature(caller, 'team_management');
      await this.memberships.assertHomeRole(caller, 'admin');
      throw orgNotFound();
    }
    const { org, membership } = found;
    await this.tiers.assertFeature({ ...caller, orgId, accountId: org.accountId }, 'team_management');
    if (!isAtLeast(membership.role, 'admin')) throw insufficientRole(membership.role, 'admin');
    return org;
  }

  private async getSeen(caller: Principal, orgId: string): Promise<Organisation> {
    const found = await this.find(caller, orgId);
    if (!found) throw orgNotFound();
    return found.org;
  }

  /** The organisation, if the caller is in it and the credential reaches it. */
  private async find(caller: Principal, orgId: string): Promise<{ org: Organisation; membership: Membership } | null> {
    const membership = await this.memberships.findReached(caller, orgId);
    const org = membership && (await this.memberships.findOrg(orgId));
    return org && { org, membership };
  }

  private async lock({ accountId }: Organisation, keyId: string): Promise<Key> {
    const key = isUuid(keyId) ? await this.keys.lockOfOrganisation(accountId, keyId) : null;
    if (!key) throw keyNotFound();
    return key;
  }
}

function keyNotFound(): DomainError {
  return new DomainError('not_found', 'Service key not found');
}
