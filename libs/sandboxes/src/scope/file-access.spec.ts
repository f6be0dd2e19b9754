import { DomainError } from '#kernel';
import { type FileAccess, toFileAccess, WHOLE_WORKSPACE } from './file-access.js';

function refusal(input: unknown): DomainError {
  try {
    toFileAccess(input);
  } catch (error) {
    if (error instanceof DomainError) return error;
    throw error;
  }
  throw new Error(`${JSON.stringify(input)} was accepted`);
}

describe('the shape of file_access', () => {
  it.each<[string, unknown, FileAccess]>([
    ['absent', undefined, WHOLE_WORKSPACE],
    ['null', null, WHOLE_WORKSPACE],
    ['an empty object', {}, WHOLE_WORKSPACE],
    ['read alone writes nothing', { read: ['a'] }, { read: ['a'], write: [] }],
    ['write alone is read too', { write: ['a'] }, { read: ['a'], write: ['a'] }],
    ['two empty lists are the own directory only', { read: [], write: [] }, { read: [], write: [] }],
    ['read all, write one', { read: [''], write: ['out'] }, { read: [''], write: ['out'] }],
    [
      'the example of the seed',
      { read: ['projects/my-project', 'shared/templates'], write: ['projects/my-project/output'] },
      { read: ['projects/my-project', 'shared/templates'], write: ['projects/my-project/output'] },
    ],
  ])('%s', (_name, input, expected) => {
    expect(toFileAccess(input)).toEqual(expected);
  });

  it.each<[string, unknown, string]>([
    ['a list', ['a'], 'file_access'],
    ['a text', 'a', 'file_access'],
    ['an unknown member', { read: [], exec: [] }, 'file_access'],
    ['a list that is a text', { read: 'a' }, 'file_access.read'],
    ['a list that is null, which must not open everything', { read: null, write: [] }, 'file_access.read'],
    ['101 entries', { write: Array.from({ length: 101 }, (_, index) => `d${index}`) }, 'file_access.write'],
  ])('refuses %s', (_name, input, field) => {
    expect(refusal(input)).toMatchObject({ code: 'invalid_input', field });
  });

  it('accepts 100 entries', () => {
    expect(toFileAccess({ read: Array.from({ length: 100 }, (_, index) => `d${index}`) }).read).toHaveLength(100);
  });
});

describe('an entry', () => {
  it.each([
    ['a/b', 'a/b'],
    ['a/b/', 'a/b'],
    ['a//b', 'a/b'],
    ['./a/b', 'a/b'],
    ['a/./b', 'a/b'],
    ['a*', 'a*'],
    ['A', 'A'],
    ['ä/ö ü', 'ä/ö ü'],
    ['...', '...'],
    ['a/.sessions', 'a/.sessions'],
    ['.sessionsx', '.sessionsx'],
    [`${'x'.repeat(255)}/y`, `${'x'.repeat(255)}/y`],
  ])('%j means %j', (entry, expected) => {
    expect(toFileAccess({ read: [entry] }).read).toEqual([expected]);
  });

  it.each<[unknown]>([
    ['.'],
    ['./'],
    ['/'],
    ['/a'],
    ['//a'],
    ['..'],
    ['a/../b'],
    ['a/..'],
    ['../a'],
    ['a\0b'],
    ['a\nb'],
    ['a\u007fb'],
    ['a\\b'],
    ['.sessions'],
    ['./.sessions/'],
    ['.sessions/sess_0123456789ab'],
    [`a/${'x'.repeat(256)}`],
    [`${'ä'.repeat(128)}`],
    [`${'x/'.repeat(2048)}y`],
    [1],
    [null],
    [['a']],
  ])('%j is refused by name', (entry) => {
    expect(refusal({ read: ['ok', entry] })).toMatchObject({ code: 'invalid_input', field: 'file_access.read.1' });
  });

  it('that lies inside another one, or comes twice, is dropped', () => {
    const read = ['a/b', 'a', 'a', 'ab', 'c/d/e', 'c/d'];
    expect(toFileAccess({ read }).read).toEqual(['a', 'ab', 'c/d']);
    expect(toFileAccess({ read: ['a', ''], write: ['b'] })).toEqual({ read: [''], write: ['b'] });
    expect(toFileAccess({ read: ['a'], write: ['a/b', 'c'] })).toEqual({ read: ['a', 'c'], write: ['a/b', 'c'] });
  });
});
