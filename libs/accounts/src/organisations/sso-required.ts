import { DomainError } from '#kernel';

/** sessionfs-1.md §2.6: an organisation that wants its members to come through its single sign-on. */
export function ssoRequired(orgSlug: string): DomainError {
  const message = `Organization '${orgSlug}' requires single sign-on; get a key at /api/v1/auth/sso/start`;
  return new DomainError('forbidden', message, {
    reason: 'sso_enforcement_required',
    details: { org_slug: orgSlug, sso_start_url: '/api/v1/auth/sso/start' },
  });
}
