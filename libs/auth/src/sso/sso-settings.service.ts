import { Injectable } from '@nestjs/common';
import { Memberships } from '#accounts';
import { Clock, DomainError } from '#kernel';
import { Database, Idempotency, type Principal } from '#platform';
import { ClientSecrets } from './client-secrets.js';
import { IdentityProviders } from './identity-providers.js';
import type { SsoRole, SsoSettings } from './sso-connection.js';
import { SsoJournal } from './sso-journal.js';
import { SsoRepository, type StoredConnection } from './sso.repository.js';

export interface NewConnection {
  readonly issuer: string;
  readonly clientId: string;
  /** Null: a public client. Absent: the stored one, as long as issuer and client stay. */
  readonly clientSecret?: string | null;
  readonly enforce: boolean;
  readonly defaultRole: SsoRole;
}

export const SSO_CONNECTION_CHANGED = 'organisation.sso_changed';
export const SSO_CONNECTION_REMOVED = 'organisation.sso_removed';

/** An organisation's connection to its identity provider, kept by its admins. */
@Injectable()
export class SsoSettingsService {
  constructor(
    private readonly db: Database,
    private readonly sso: SsoRepository,
    private readonly memberships: Memberships,
    private readonly secrets: ClientSecrets,
    private readonly providers: IdentityProviders,
    private readonly journal: SsoJournal,
    private readonly idempotency: Idempotency,
    private readonly clock: Clock,
  ) {}

  /** Errors: `not_found` also when none is configured; `forbidden`. */
  async get(caller: Principal, orgId: string): Promise<SsoSettings> {
    await this.memberships.assertRole(caller, orgId, 'admin');
    const stored = await this.sso.findConnection(orgId);
    if (!stored) throw notConfigured();
    return settingsOf(stored);
  }

  /**
   * Sets the connection, once its provider has answered, outside of any transaction; settles a held idempotency key
   * with what `render` makes of it. Another issuer or client ends the keys made so far. Errors: `not_found`, `forbidden`,
   * `invalid_input` for an issuer that may not be called, `upstream_failed`.
   */
  async save<Answer>(
    caller: Principal,
    orgId: string,
    input: NewConnection,
    render: (settings: SsoSettings) => Answer,
  ): Promise<Answer> {
    await this.memberships.assertRole(caller, orgId, 'admin');
    const clientSecret = await this.secretOf(orgId, input);
    await this.providers.discover({ ...input, clientSecret });
    return this.db.transaction(async () => {
      const org = await this.memberships.lockWithRole(caller, orgId, 'admin');
      const before = await this.sso.findConnection(orgId);
      const now = this.clock.date();
      const { issuer, clientId, enforce, defaultRole } = input;
      const sealedSecret = clientSecret === null ? null : this.secrets.seal(orgId, clientSecret);
      const stored = { orgId, issuer, clientId, sealedSecret, enforce, defaultRole, updatedAt: now };
      await this.sso.saveConnection(stored);
      if (before && !isSameClient(before, input)) await this.sso.revokeKeys(orgId, 'sign-in changed', now);
      const facts = { issuer, client_id: clientId, enforce, default_role: defaultRole };
      await this.journal.changed(caller, org, SSO_CONNECTION_CHANGED, facts);
      const answer = render(settingsOf(stored));
      await this.idempotency.settle(200, answer);
      return answer;
    });
  }

  /** Removes the connection and ends the keys it made; who came through it stays a member. Errors: `not_found`. */
  async remove(caller: Principal, orgId: string): Promise<void> {
    await this.db.transaction(async () => {
      const org = await this.memberships.lockWithRole(caller, orgId, 'admin');
      if (!(await this.sso.deleteConnection(orgId))) throw notConfigured();
      await this.sso.revokeKeys(orgId, 'sign-in removed', this.clock.date());
      await this.journal.changed(caller, org, SSO_CONNECTION_REMOVED, {});
    });
  }

  private async secretOf(orgId: string, input: NewConnection): Promise<string | null> {
    if (input.clientSecret !== undefined) return input.clientSecret;
    const stored = await this.sso.findConnection(orgId);
    // Kept only for the provider it was given for: it must not be sent to another one.
    if (!stored?.sealedSecret || !isSameClient(stored, input)) return null;
    return this.secrets.open(orgId, stored.sealedSecret);
  }
}

function isSameClient(stored: StoredConnection, input: NewConnection): boolean {
  return stored.issuer === input.issuer && stored.clientId === input.clientId;
}

function settingsOf({
  issuer,
  clientId,
  enforce,
  defaultRole,
  sealedSecret,
  updatedAt,
}: StoredConnection): SsoSettings {
  return { issuer, clientId, enforce, defaultRole, hasClientSecret: sealedSecret !== null, updatedAt };
}

function notConfigured(): DomainError {
  return new DomainError('not_found', 'Single sign-on is not set up for this organization');
}
