import { ClientSecrets } from './client-secrets.js';
import { ApiOrgSsoController } from './http/api-org-sso.controller.js';
import { ApiSsoController } from './http/api-sso.controller.js';
import { IdentityProviders } from './identity-providers.js';
import { SsoAttemptsRepository } from './sso-attempts.repository.js';
import { SsoConnections } from './sso-connections.js';
import { SsoDomainsService } from './sso-domains.service.js';
import { SsoIdentitiesRepository } from './sso-identities.repository.js';
import { SsoKeys } from './sso-keys.js';
import { SsoPeople } from './sso-people.js';
import { SsoJournal } from './sso-journal.js';
import { SsoSettingsService } from './sso-settings.service.js';
import { SsoSignInService } from './sso-sign-in.service.js';
import { SsoRepository } from './sso.repository.js';

/** What AuthModule takes in of single sign-on. No module of its own: it mints with the services of that one. */
export const SSO_CONTROLLERS = [ApiSsoController, ApiOrgSsoController];

export const SSO_PROVIDERS = [
  ClientSecrets,
  IdentityProviders,
  SsoAttemptsRepository,
  SsoConnections,
  SsoDomainsService,
  SsoIdentitiesRepository,
  SsoKeys,
  SsoPeople,
  SsoRepository,
  SsoJournal,
  SsoSettingsService,
  SsoSignInService,
];
