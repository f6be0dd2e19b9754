import { DomainError } from '#kernel';
import { type AccessMode, AccessScope } from './access-scope.js';
import { toFileAccess } from './file-access.js';
import { toWorkspacePath } from './requested-path.js';

const scopeOf = (input?: unknown): AccessScope => new AccessScope('sess_x', toFileAccess(input));
const modeOf = (scope: AccessScope, path: string): AccessMode => scope.modeOf(toWorkspacePath(path));

describe('the decision table of §B5.2', () => {
  const scope = scopeOf({ read: ['projects/p1', 'shared/t'], write: ['projects/p1/out'] });

  it.each<[string, AccessMode]>([
    ['projects/p1/a.md', 'read'],
    ['projects/p1', 'read'],
    ['projects/p1/out/r.md', 'write'],
    ['projects/p1/out', 'write'],
    ['projects/p1/outer', 'read'],
    ['projects/p10/a.md', 'none'],
    ['projects/p10', 'none'],
    ['shared/t/x', 'read'],
    ['shared/T/x', 'none'],
    ['.sessions/sess_x/n', 'write'],
    ['.sessions/sess_x', 'write'],
    ['.sessions/sess_y/n', 'none'],
    ['.sessions/sess_y', 'none'],
    ['.sessions/sess_xx', 'none'],
    ['.sessions', 'ancestor'],
    ['projects', 'ancestor'],
    ['', 'ancestor'],
    ['secret', 'none'],
  ])('%j is %s', (path, mode) => {
    expect(modeOf(scope, path)).toBe(mode);
  });

  it('shows only the way to what is in scope', () => {
    const shown = (directory: string[], names: string[]): string[] =>
      names.filter((name) => scope.shows(directory, name));
    expect(shown([], ['.sessions', 'projects', 'shared', 'secret', '.memory'])).toEqual([
      '.sessions',
      'projects',
      'shared',
    ]);
    expect(shown(['projects'], ['p1', 'p10', 'p2'])).toEqual(['p1']);
    expect(shown(['.sessions'], ['sess_x', 'sess_y'])).toEqual(['sess_x']);
  });
});

describe('the whole workspace', () => {
  it('is writable, except for the directories of other sessions', () => {
    const scope = scopeOf();
    expect(['', 'a/b', 'a/.sessions/x', '.sessions/sess_x/n'].map((path) => modeOf(scope, path))).toEqual(
      Array(4).fill('write'),
    );
    expect(modeOf(scope, '.sessions')).toBe('ancestor');
    expect(modeOf(scope, '.sessions/sess_y')).toBe('none');
  });

  it('can be readable only', () => {
    const scope = scopeOf({ read: [''], write: ['out'] });
    expect(['a', 'out', 'out/x', '.sessions/sess_y/n'].map((path) => modeOf(scope, path))).toEqual([
      'read',
      'write',
      'write',
      'none',
    ]);
  });
});

describe('no scope at all', () => {
  it('leaves the own directory', () => {
    const scope = scopeOf({ read: [], write: [] });
    expect(['', '.sessions', '.sessions/sess_x/a', 'a'].map((path) => modeOf(scope, path))).toEqual([
      'ancestor',
      'ancestor',
      'write',
      'none',
    ]);
  });
});

describe('a requested path', () => {
  it.each(['projects/p1/../../secret', '../x', '..', 'a/..', '/projects/p1/a.md', '/'])(
    '%j is out of every scope and is not resolved',
    (path) => {
      expect(() => toWorkspacePath(path)).toThrow(new DomainError('forbidden', `'${path}' not in session scope`));
    },
  );

  it.each(['a\0b', 'a\nb', '\ud800', 'x'.repeat(256), 'x/'.repeat(2100)])(
    'that no file can have is refused',
    (path) => {
      expect(() => toWorkspacePath(path)).toThrow(expect.objectContaining({ code: 'invalid_input', field: 'path' }));
    },
  );

  it('may have empty names and dots in it', () => {
    expect(toWorkspacePath('a//b/./c/')).toEqual(['a', 'b', 'c']);
    expect(toWorkspacePath('a\\b')).toEqual(['a\\b']);
  });
});
