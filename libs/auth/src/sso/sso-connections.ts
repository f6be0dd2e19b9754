import { Injectable } from '@nestjs/common';
import { AppConfig } from '#platform';
import { ClientSecrets } from './client-secrets.js';
import type { NewAttempt } from './sso-attempt.js';
import type { SsoConnection } from './sso-connection.js';
import { domainOf } from './sso-domain.js';
import { SsoRepository, type StoredConnection } from './sso.repository.js';

/** Finds the provider that signs somebody in. */
@Injectable()
export class SsoConnections {
  constructor(
    private readonly sso: SsoRepository,
    private readonly secrets: ClientSecrets,
    private readonly config: AppConfig,
  ) {}

  /**
   * An organisation's by its slug, or by the domain of an address it has proved; else that of the whole installation.
   * Only the domain of an address counts: whether somebody has it is nobody's business.
   */
  async find({ email, orgSlug }: Pick<NewAttempt, 'email' | 'orgSlug'>): Promise<SsoConnection | null> {
    if (orgSlug !== null) return this.opened(await this.sso.findConnectionOfSlug(orgSlug));
    const domain = email === null ? null : domainOf(email);
    const own = domain === null ? null : await this.sso.findConnectionOfDomain(domain);
    return own ? this.opened(own) : this.ofInstallation();
  }

  async get(orgId: string | null): Promise<SsoConnection | null> {
    return orgId === null ? this.ofInstallation() : this.opened(await this.sso.findConnection(orgId));
  }

  private ofInstallation(): SsoConnection | null {
    const { OIDC_ISSUER: issuer, OIDC_CLIENT_ID: clientId, OIDC_CLIENT_SECRET: clientSecret } = this.config;
    if (issuer === undefined || clientId === undefined) return null;
    const facts = { orgId: null, enforce: false, defaultRole: 'member' } as const;
    return { ...facts, issuer, clientId, clientSecret: clientSecret ?? null };
  }

  private opened(stored: StoredConnection | null): SsoConnection | null {
    if (!stored) return null;
    const { orgId, issuer, clientId, enforce, defaultRole, sealedSecret } = stored;
    const clientSecret = sealedSecret && this.secrets.open(orgId, sealedSecret);
    return { orgId, issuer, clientId, clientSecret, enforce, defaultRole };
  }
}
