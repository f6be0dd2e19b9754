import { AccessScope } from '../scope/access-scope.js';
import { toFileAccess } from '../scope/file-access.js';
import { mountPlan } from './mount-plan.js';

const planOf = (input?: unknown): string[] =>
  mountPlan(new AccessScope('sess_x', toFileAccess(input))).map(({ path, kind }) => `${kind} /${path.join('/')}`);

describe('what is mounted of a workspace', () => {
  it.each<[string, unknown, string[]]>([
    ['the whole', undefined, ['write /', 'cover /.sessions', 'write /.sessions/sess_x']],
    ['nothing', { read: [], write: [] }, ['write /.sessions/sess_x']],
    [
      'all to read, a part to write',
      { read: [''], write: ['out'] },
      ['read /', 'write /out', 'cover /.sessions', 'write /.sessions/sess_x'],
    ],
    [
      'shallow before deep, whatever the order of the entries',
      { read: ['b', 'c/d'], write: ['c/d/e', 'b/c/d', 'a'] },
      ['read /b', 'write /a', 'read /c/d', 'write /c/d/e', 'write /b/c/d', 'write /.sessions/sess_x'],
    ],
    [
      'one border less: reading what may be written',
      { read: ['a/b'], write: ['a'] },
      ['write /a', 'write /.sessions/sess_x'],
    ],
  ])('%s', (_name, input, expected) => {
    expect(planOf(input)).toEqual(expected);
  });
});
