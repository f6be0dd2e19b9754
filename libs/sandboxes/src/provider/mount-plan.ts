import type { AccessScope, WorkspacePath } from '../scope/access-scope.js';
import { OWN_DIRECTORIES } from '../scope/file-access.js';
import { type SessionSkill, SKILLS_INSIDE } from '../skills/skill.js';
import { SKILLS } from '../workspace/workspaces.js';

export interface Mount {
  readonly path: WorkspacePath;
  /** `cover`: an empty directory over what a mount above it would show. */
  readonly kind: 'read' | 'write' | 'cover';
  /** Absolute, inside the sandbox; where the path is in the workspace when left out. */
  readonly place?: string;
}

/**
 * What of the workspace is mounted, in the order in which it must be: a mount hides what was mounted below its place
 * before (sandbox-sessions.md §B5.4).
 */
export function mountPlan(scope: AccessScope): Mount[] {
  const entries = [...new Set([...scope.access.read, ...scope.access.write])];
  const mounts = entries
    .map((entry): Mount => {
      const path = entry === '' ? [] : entry.split('/');
      return { path, kind: scope.modeOf(path) === 'write' ? 'write' : 'read' };
    })
    .sort((a, b) => a.path.length - b.path.length);
  // What lies in a writable entry is writable by that one; another mount of it would only put a border in the middle.
  const needed = mounts.filter(
    ({ path, kind }) => !mounts.some((other) => other.kind === kind && isInside(path, other.path)),
  );
  const covers: Mount[] = scope.access.read.includes('') ? [{ path: [OWN_DIRECTORIES], kind: 'cover' }] : [];
  return [...needed, ...covers, { path: scope.ownDirectory, kind: 'write' }];
}

/** Skills lie in the workspace, where no scope leads, and are shown beside it. */
export function skillMounts(skills: readonly SessionSkill[]): Mount[] {
  return skills.map(({ name, version }) => ({
    path: [OWN_DIRECTORIES, SKILLS, version],
    kind: 'read',
    place: `${SKILLS_INSIDE}/${name}`,
  }));
}

function isInside(path: WorkspacePath, other: WorkspacePath): boolean {
  return path.length > other.length && other.every((name, depth) => path[depth] === name);
}
