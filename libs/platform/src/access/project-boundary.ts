import { DomainError } from '#kernel';
import type { Principal } from './principal.js';

/** A project as the boundary sees it; a personal one has no organisation. */
export interface BoundaryProject {
  readonly id: string;
  readonly orgId: string | null;
}

/**
 * Why there is no project to judge by: what names it is gone; it names none that is registered; it names several. The
 * last one is reserved: nothing resolves to several projects.
 */
export type NoProject = 'required' | 'not_registered' | 'ambiguous';

const NO_PROJECT: Readonly<Record<NoProject, string>> = {
  required: 'A service key needs a project to act on, and there is none any more',
  not_registered: 'This work belongs to no registered project; a service key cannot act on it',
  ambiguous: 'This work belongs to several projects; a service key cannot act on it',
};

/**
 * The boundary of service keys (sessionfs-1.md §4.5): only projects of their organisation, and of those the listed ones
 * when there is a list. People have no such boundary; whether they may see a project is the project's business. A
 * project that does not exist is the caller's 404, before this is asked. Errors: `forbidden`.
 */
export function assertReachesProject(principal: Principal, project: BoundaryProject | NoProject): void {
  if (principal.kind === 'user_key') return;
  if (principal.orgId === null) throw missingOrganisation();
  if (typeof project === 'string') throw denied(`service_key_project_${project}`, NO_PROJECT[project], {});
  if (project.orgId !== principal.orgId) throw crossOrgDenied(principal, project.orgId);
  if (principal.projectIds === null || principal.projectIds.includes(project.id)) return;
  throw denied('project_not_in_allowlist', 'This service key may not act on that project', {
    allowed_project_ids: [...principal.projectIds],
    requested_project_id: project.id,
  });
}

/** A service key that asks for another organisation than its own; null when that one is not to be named. */
export function crossOrgDenied(principal: Principal, orgId: string | null): DomainError {
  return denied('cross_org_denied', 'This service key belongs to another organization', {
    key_org_id: principal.orgId,
    project_org_id: orgId,
  });
}

/** A service key whose organisation is gone. */
export function missingOrganisation(): DomainError {
  return denied('service_key_missing_org', 'This service key belongs to no organization', {});
}

function denied(reason: string, message: string, details: Record<string, unknown>): DomainError {
  return new DomainError('forbidden', message, { reason, details });
}
