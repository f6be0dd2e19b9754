import { Injectable } from '@nestjs/common';
import { Memberships, type Organisation } from '#accounts';
import { Clock, DomainError } from '#kernel';
import { Database, Idempotency, NameResolver, type Principal, sqlState, UNIQUE_VIOLATION } from '#platform';
import { challengeName, newChallenge, normaliseDomain, type SsoDomain } from './sso-domain.js';
import { SsoJournal } from './sso-journal.js';
import { SsoRepository } from './sso.repository.js';

export const SSO_DOMAIN_VERIFIED = 'organisation.domain_verified';
export const SSO_DOMAIN_REMOVED = 'organisation.domain_removed';

const MOST_DOMAINS = 100;

/** E-mail domains of organisations. Any admin may claim one; DNS or a platform administrator proves it, for one only. */
@Injectable()
export class SsoDomainsService {
  constructor(
    private readonly db: Database,
    private readonly sso: SsoRepository,
    private readonly memberships: Memberships,
    private readonly names: NameResolver,
    private readonly journal: SsoJournal,
    private readonly idempotency: Idempotency,
    private readonly clock: Clock,
  ) {}

  async list(caller: Principal, orgId: string): Promise<SsoDomain[]> {
    await this.memberships.assertRole(caller, orgId, 'admin');
    return this.sso.listDomains(orgId);
  }

  /** The claim with the TXT record that proves it; claiming again answers the same. Errors: `invalid_input`. */
  async add(caller: Principal, orgId: string, text: string): Promise<SsoDomain> {
    const domain = normaliseDomain(text);
    if (domain === null) throw new DomainError('invalid_input', 'domain must be a domain name', { field: 'domain' });
    return this.db.transaction(async () => {
      const org = await this.memberships.lockWithRole(caller, orgId, 'admin');
      const known = await this.sso.listDomains(orgId);
      if (known.length >= MOST_DOMAINS && !known.some((entry) => entry.domain === domain))
        throw new DomainError('conflict', `An organization may claim ${MOST_DOMAINS} domains`);
      const facts = { orgId, domain, challenge: newChallenge(), verifiedAt: null, verifiedBy: null } as const;
      const added = await this.sso.addDomain({ ...facts, createdAt: this.clock.date() });
      await this.journal.claimed(caller, org, domain);
      return added;
    });
  }

  /**
   * Looks for the TXT record. Errors: `not_found` for a domain never claimed; `unprocessable` (`domain_not_proven`);
   * `conflict` (`domain_taken`) when another organisation has proved it; `upstream_failed` when DNS does not answer.
   * DNS is asked outside of any transaction; a held idempotency key is settled with what `render` makes of the domain.
   */
  async verify<Answer>(
    caller: Principal,
    orgId: string,
    text: string,
    render: (domain: SsoDomain) => Answer,
  ): Promise<Answer> {
    await this.memberships.assertRole(caller, orgId, 'admin');
    const claim = await this.claimed(orgId, text);
    if (!claim.verifiedAt && !(await this.textsOf(challengeName(claim.domain))).includes(claim.challenge))
      throw notProven(claim);
    return this.db.transaction(async () => {
      const org = await this.memberships.lockWithRole(caller, orgId, 'admin');
      const answer = render(claim.verifiedAt ? claim : await this.prove(caller, org, claim, 'dns'));
      await this.idempotency.settle(200, answer);
      return answer;
    });
  }

  /** A platform administrator's word in place of DNS. Errors: `not_found`, `conflict`. */
  async vouch(caller: Principal, orgId: string, text: string): Promise<SsoDomain> {
    return this.db.transaction(async () => {
      const org = await this.memberships.lockOrg(orgId);
      const claim = await this.claimed(orgId, text);
      return claim.verifiedAt ? claim : this.prove(caller, org, claim, 'admin');
    });
  }

  /** Nobody joins by the domain any more, nor is bound by it; who has joined stays. Errors: `not_found`. */
  async remove(caller: Principal, orgId: string, text: string): Promise<void> {
    await this.db.transaction(async () => {
      const org = await this.memberships.lockWithRole(caller, orgId, 'admin');
      const { domain } = await this.claimed(orgId, text);
      await this.sso.deleteDomain(orgId, domain);
      await this.journal.changed(caller, org, SSO_DOMAIN_REMOVED, { domain });
    });
  }

  private async claimed(orgId: string, text: string): Promise<SsoDomain> {
    const domain = normaliseDomain(text);
    const claim = domain === null ? null : await this.sso.findDomain(orgId, domain);
    if (!claim) throw new DomainError('not_found', 'Domain not found');
    return claim;
  }

  private async prove(caller: Principal, org: Organisation, claim: SsoDomain, by: 'dns' | 'admin'): Promise<SsoDomain> {
    try {
      await this.sso.verifyDomain(org.id, claim.domain, by, this.clock.date());
    } catch (error) {
      if (sqlState(error) !== UNIQUE_VIOLATION) throw error;
      throw new DomainError('conflict', 'Another organization has proved this domain', { reason: 'domain_taken' });
    }
    await this.journal.changed(caller, org, SSO_DOMAIN_VERIFIED, { domain: claim.domain, by });
    return (await this.sso.findDomain(org.id, claim.domain)) ?? claim;
  }

  private async textsOf(name: string): Promise<string[]> {
    try {
      return await this.names.textsOf(name);
    } catch (cause) {
      throw new DomainError('upstream_failed', 'DNS did not answer', { reason: 'dns_failed', cause });
    }
  }
}

function notProven({ domain, challenge }: SsoDomain): DomainError {
  const record = { name: challengeName(domain), value: challenge };
  return new DomainError('unprocessable', `No TXT record at ${record.name} holds the challenge`, {
    reason: 'domain_not_proven',
    details: { record },
  });
}
