import { Injectable } from '@nestjs/common';
import { Database, type Principal, type Tier } from '#platform';
import { StorageQuota } from '../entitlements/storage-quota.js';
import { isAtLeast, type OrgRole } from '../organisations/organisation.js';
import { Memberships } from '../organisations/memberships.js';
import { storageLimitOf } from '../tiers.js';

/** Somebody who can have a subscription. */
export interface BillingParty {
  readonly accountId: string;
  readonly tier: Tier;
  /** Where the provider may write to, and whom its invoices name. */
  readonly email: string;
  readonly name: string;
}

export interface OrgParty extends BillingParty {
  readonly orgId: string;
  readonly role: OrgRole;
  /** Whether the caller may spend its money. */
  readonly isAdmin: boolean;
  readonly storageLimitBytes: number;
}

/** For whom a caller can buy: for themselves, and for the organisation their key acts for or that is their home. */
@Injectable()
export class BillingParties {
  constructor(
    private readonly db: Database,
    private readonly memberships: Memberships,
    private readonly quota: StorageQuota,
  ) {}

  async of(caller: Principal): Promise<{ personal: BillingParty; org: OrgParty | null }> {
    const [personal] = await this.db.query<BillingParty>(
      `select a.id as "accountId", a.tier, u.email, a.slug as name
         from app_user u join account a on a.id = u.account_id where u.id = $1`,
      [caller.userId],
    );
    const membership = await (caller.orgId === null
      ? this.memberships.findHome(caller.userId)
      : this.memberships.find(caller.orgId, caller.userId));
    if (!membership) return { personal: personal!, org: null };
    const [org] = await this.db.query<{ accountId: string; tier: Tier; name: string; storageLimitBytes: string }>(
      `select a.id as "accountId", a.tier, o.name, o.storage_limit_bytes as "storageLimitBytes"
         from organisation o join account a on a.id = o.account_id where o.id = $1`,
      [membership.orgId],
    );
    const { orgId, role } = membership;
    const isAdmin = isAtLeast(role, 'admin');
    const storageLimitBytes = Number(org!.storageLimitBytes);
    return { personal: personal!, org: { ...org!, storageLimitBytes, orgId, role, isAdmin, email: personal!.email } };
  }

  /** Errors: `forbidden` when the credential gets around the organisation's single sign-on. */
  async assertReached(caller: Principal, party: BillingParty | OrgParty): Promise<void> {
    if ('orgId' in party) await this.memberships.assertRole(caller, party.orgId, 'admin');
  }

  /** Bytes stored and the most there may be; 0 is not enforced. */
  async storageOf(party: BillingParty | OrgParty): Promise<{ storageUsedBytes: number; storageLimitBytes: number }> {
    const limit = 'orgId' in party ? party.storageLimitBytes : (storageLimitOf(party.tier, null) ?? 0);
    return { storageUsedBytes: await this.quota.usedBy(party.accountId), storageLimitBytes: limit };
  }
}
