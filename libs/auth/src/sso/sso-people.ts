import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Admissions, Memberships, type Organisation, type User, UsersService } from '#accounts';
import { Clock, DomainError } from '#kernel';
import { AppConfig, Database } from '#platform';
import type { ProvenIdentity, SsoConnection, SsoIdentity } from './sso-connection.js';
import { domainOf } from './sso-domain.js';
import { SsoIdentitiesRepository } from './sso-identities.repository.js';
import { SsoRepository } from './sso.repository.js';

/**
 * Turns what a provider vouches for into a user and a member. A person is its issuer and subject; the e-mail address
 * counts once, at the first sign-in, and only for a domain that the organisation has proved.
 */
@Injectable()
export class SsoPeople {
  constructor(
    private readonly db: Database,
    private readonly identities: SsoIdentitiesRepository,
    private readonly sso: SsoRepository,
    private readonly users: UsersService,
    private readonly memberships: Memberships,
    private readonly admissions: Admissions,
    private readonly clock: Clock,
    private readonly config: AppConfig,
  ) {}

  /**
   * Atomic, and one at a time per organisation: however many first sign-ins arrive at once, they make one user and one
   * membership. Errors, all `forbidden`: `email_not_verified`, `domain_not_verified`, `sso_identity_deactivated`,
   * `user_inactive`, `seat_limit`, `signup_closed`.
   */
  settle(connection: SsoConnection, proven: ProvenIdentity): Promise<SsoIdentity> {
    return this.db.transaction(async () => {
      const org = connection.orgId === null ? null : await this.memberships.lockOrg(connection.orgId);
      if (org === null) await this.identities.lockPerson(proven);
      const known = await this.identities.find(connection.orgId, proven);
      const identity = known ?? (await this.introduce(connection, proven));
      const user = await this.users.get(identity.userId);
      await this.assertWelcome(identity, user, org);
      if (org) await this.admissions.admit(org, user, connection.defaultRole, 'sso');
      await this.identities.touch(identity.id, this.clock.date());
      return { ...identity, isActive: true };
    });
  }

  private async introduce(connection: SsoConnection, proven: ProvenIdentity): Promise<SsoIdentity> {
    const email = await this.usableEmail(connection, proven);
    const existing = await this.users.findByEmail(email);
    const userId = existing ? await this.link(existing) : await this.create(connection, email);
    const identity = { id: randomUUID(), orgId: connection.orgId, userId, isActive: true };
    await this.identities.insert(identity, proven, this.clock.date());
    return identity;
  }

  private async usableEmail({ orgId }: SsoConnection, { verifiedEmail }: ProvenIdentity): Promise<string> {
    if (verifiedEmail === null)
      throw refused('email_not_verified', 'The identity provider does not vouch for an e-mail address');
    const domain = domainOf(verifiedEmail);
    if (orgId !== null && (domain === null || !(await this.sso.ownsDomain(orgId, domain))))
      throw refused('domain_not_verified', 'The organization has not proved the domain of this e-mail address');
    return verifiedEmail;
  }

  /**
   * The user with the same address. Whoever registered it without proof may be somebody else, who must keep no way in:
   * all keys end, and the address is proved from now on.
   */
  private async link(user: User): Promise<string> {
    if (!user.emailVerified) {
      await this.identities.revokeAllKeys(user.id, 'e-mail address proved by its owner', this.clock.date());
      await this.users.confirmEmail(user, 'sso');
    }
    return user.id;
  }

  private async create({ orgId }: SsoConnection, email: string): Promise<string> {
    if (orgId === null && this.config.signup === 'closed')
      throw refused('signup_closed', 'Sign-up is not open on this server');
    const { user } = await this.users.create({ email, emailVerified: true });
    return user.id;
  }

  private async assertWelcome(identity: SsoIdentity, user: User, org: Organisation | null): Promise<void> {
    if (!user.isActive) throw refused('user_inactive', 'User account is inactive');
    if (identity.isActive || (org && (await this.memberships.find(org.id, user.id)))) return;
    throw refused(
      'sso_identity_deactivated',
      'Your membership was ended; ask an admin of the organization to invite you',
    );
  }
}

function refused(reason: string, message: string): DomainError {
  return new DomainError('forbidden', message, { reason });
}
