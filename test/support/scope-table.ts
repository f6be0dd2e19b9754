/**
 * What a narrow scope decides (sandbox-sessions.md §B5.2), once for everybody who has to decide it: the file API over
 * HTTP and the mounts inside the sandbox. `own` and `other` stand for ids of sessions.
 */
export const SCOPE = { read: ['projects/p1', 'shared/t'], write: ['projects/p1/out'] };

/** What is there, each file with its own path as content. */
export const LAID_OUT = [
  'projects/p1/a.md',
  'projects/p1/out/r.md',
  'projects/p10/a.md',
  'projects/p2/b.md',
  'shared/t/x',
  'shared/u/y',
  'secret',
];

/** Links in scope, by name, with where they lead. */
export const LINKS: Readonly<Record<string, string>> = {
  'projects/p1/within': 'a.md',
  'projects/p1/out/within': 'r.md',
  'projects/p1/relative': '../../secret',
  'projects/p1/absolute': '/opt/sandbox/workspace/secret',
  'projects/p1/out/relative': '../../../secret',
  'projects/p1/out/system': '/etc/passwd',
};

/** Errors as programs say them. */
const NOTHING = 'No such file or directory';
const READ_ONLY = 'Read-only file system';

export interface ScopeRow {
  readonly path: string;
  /** Status over HTTP. */
  readonly read: number;
  readonly write: number;
  /** Inside: `ok` or one of the errors. */
  readonly reads: string;
  readonly writes: readonly string[];
}

const row = (path: string, read: number, write: number, reads: string, ...writes: string[]): ScopeRow => ({
  path,
  read,
  write,
  reads,
  writes,
});

export const DECISIONS: readonly ScopeRow[] = [
  row('projects/p1/a.md', 200, 403, 'ok', READ_ONLY),
  row('projects/p1/out/r.md', 200, 201, 'ok', 'ok'),
  row('projects/p1/out/new', 404, 201, NOTHING, 'ok'),
  row('projects/p10/a.md', 403, 403, NOTHING, READ_ONLY, NOTHING),
  row('projects/p10', 403, 403, NOTHING, READ_ONLY, NOTHING),
  row('projects/p2/b.md', 403, 403, NOTHING, READ_ONLY, NOTHING),
  row('shared/t/x', 200, 403, 'ok', READ_ONLY),
  row('shared/u/y', 403, 403, NOTHING, READ_ONLY, NOTHING),
  row('secret', 403, 403, NOTHING, READ_ONLY),
  row('nosuch', 403, 403, NOTHING, READ_ONLY),
  row('.sessions/own/n', 200, 201, 'ok', 'ok'),
  row('.sessions/other/n', 403, 403, NOTHING, READ_ONLY, NOTHING),
  row('.sessions/.uploads', 403, 403, NOTHING, READ_ONLY, NOTHING),
  row('projects/p1/missing', 404, 403, NOTHING, READ_ONLY),
  row('projects/p1/within', 200, 403, 'ok', READ_ONLY),
  row('projects/p1/out/within', 200, 201, 'ok', 'ok'),
  row('projects/p1/relative', 403, 403, NOTHING, READ_ONLY, NOTHING),
  row('projects/p1/absolute', 403, 403, NOTHING, READ_ONLY, NOTHING),
  row('projects/p1/out/relative', 403, 403, NOTHING, READ_ONLY, NOTHING),
  row('projects/p1/out/system', 403, 403, 'ok', 'Permission denied', READ_ONLY),
];

/** Entries of the directories on the way, as both sides list them. */
export const LISTINGS: Readonly<Record<string, readonly string[]>> = {
  '': ['.sessions', 'projects', 'shared'],
  '.sessions': ['own'],
  projects: ['p1'],
  shared: ['t'],
};
