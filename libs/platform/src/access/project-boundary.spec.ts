import { DomainError } from '#kernel';
import type { Principal } from './principal.js';
import { assertReachesProject, type BoundaryProject, type NoProject } from './project-boundary.js';

const KEY: Principal = {
  kind: 'service_key',
  keyId: 'key',
  keyName: 'ci',
  userId: 'user',
  accountId: 'account',
  accountSlug: 'acme',
  orgId: 'org_1',
  projectIds: null,
  tier: 'team',
  scopes: new Set(['knowledge:read']),
  isAdmin: false,
  pinnedSessionId: null,
};
const OWN: BoundaryProject = { id: 'proj_1', orgId: 'org_1' };
const FOREIGN: BoundaryProject = { id: 'proj_2', orgId: 'org_2' };
const PERSONAL: BoundaryProject = { id: 'proj_3', orgId: null };

function denial(principal: Principal, project: BoundaryProject | NoProject): Record<string, unknown> | null {
  try {
    assertReachesProject(principal, project);
    return null;
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    return { status: error.status, error: error.reason, ...error.details };
  }
}

describe('the boundary of a service key', () => {
  it('holds every project of its organisation when it lists none', () => {
    expect(denial(KEY, OWN)).toBeNull();
  });

  it('excludes other organisations and personal projects, listed or not', () => {
    const listing = { ...KEY, projectIds: ['proj_2', 'proj_3'] };
    for (const key of [KEY, listing]) {
      const facts = { status: 403, error: 'cross_org_denied', key_org_id: 'org_1' };
      expect(denial(key, FOREIGN)).toEqual({ ...facts, project_org_id: 'org_2' });
      expect(denial(key, PERSONAL)).toEqual({ ...facts, project_org_id: null });
    }
  });

  it('excludes what its list leaves out', () => {
    expect(denial({ ...KEY, projectIds: ['proj_1'] }, OWN)).toBeNull();
    expect(denial({ ...KEY, projectIds: ['proj_8', 'proj_9'] }, OWN)).toEqual({
      status: 403,
      error: 'project_not_in_allowlist',
      allowed_project_ids: ['proj_8', 'proj_9'],
      requested_project_id: 'proj_1',
    });
  });

  it.each([
    ['required', 'service_key_project_required'],
    ['not_registered', 'service_key_project_not_registered'],
    ['ambiguous', 'service_key_project_ambiguous'],
  ] as const)('refuses work without a project: %s', (missing, error) => {
    expect(denial(KEY, missing)).toEqual({ status: 403, error });
  });

  it('is everything when its organisation is gone', () => {
    expect(denial({ ...KEY, orgId: null }, PERSONAL)).toEqual({ status: 403, error: 'service_key_missing_org' });
  });

  it('is none of a person’s', () => {
    for (const project of [OWN, FOREIGN, PERSONAL, 'required', 'not_registered', 'ambiguous'] as const) {
      expect(denial({ ...KEY, kind: 'user_key', orgId: null }, project)).toBeNull();
    }
  });
});
