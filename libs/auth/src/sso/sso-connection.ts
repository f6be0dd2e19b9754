import type { Membership } from '#accounts';

export type SsoRole = Exclude<Membership['role'], 'owner'>;

/** An OpenID Connect provider that signs people in: an organisation's own, or that of the whole installation. */
export interface SsoConnection {
  /** Null for the whole installation. */
  readonly orgId: string | null;
  readonly issuer: string;
  readonly clientId: string;
  /** Null for a public client. */
  readonly clientSecret: string | null;
  /** Whether members under the organisation's domains need a key from here to act for it. */
  readonly enforce: boolean;
  /** What those become who sign in for the first time. */
  readonly defaultRole: SsoRole;
}

/** What an organisation's admins may read of its connection. */
export interface SsoSettings extends Omit<SsoConnection, 'orgId' | 'clientSecret'> {
  readonly hasClientSecret: boolean;
  readonly updatedAt: Date;
}

/** A person as a provider vouches for it. */
export interface ProvenIdentity {
  readonly issuer: string;
  readonly subject: string;
  /** Lowercase; null when the provider does not say, or does not vouch for it. */
  readonly verifiedEmail: string | null;
}

/** What a provider said about a person, kept for the next time. */
export interface SsoIdentity {
  readonly id: string;
  readonly orgId: string | null;
  readonly userId: string;
  readonly isActive: boolean;
}
