import { CommitBench } from './testing/commit-bench.js';

let bench: CommitBench;

beforeEach(() => (bench = new CommitBench()));
afterEach(() => bench.close());

const file = (path: string, content = 'x', mode?: string) => ({ path, content, mode });
const rename = (path: string, newPath: string) => ({ path, action: 'rename', new_path: newPath });
const remove = (path: string) => ({ path, action: 'delete' });
const replace = (path: string, old: string, replacement: string) => ({
  path,
  action: 'edit',
  edits: [{ old_string: old, new_string: replacement }],
});

/** The files after committing `before`, then `changes`. */
function after(before: object[], changes: object[]): string[] {
  if (before.length > 0) bench.commit(before);
  const files = bench.files(bench.commit(changes).sha);
  bench.fsck();
  return files;
}

function refusal(changes: object[]): [number | string, string] {
  const result = bench.try(changes);
  if (result.ok) throw new Error('accepted');
  return [result.error.code, result.error.message];
}

describe('create', () => {
  it('writes the last of two contents and keeps the mode of the file it replaces', () => {
    expect(
      after([file('run', 'a', '100755'), file('b')], [file('run', 'c'), file('run', 'd'), file('b', 'y', '100755')]),
    ).toEqual(['100755 b=y', '100755 run=d']);
  });

  it('turns an overwritten link into a file unless asked for a link', () => {
    const links = [file('one', 'target', '120000'), file('two', 'target', '120000')];
    expect(after(links, [file('one', 'text'), file('two', 'other', '120000')])).toEqual([
      '100644 one=text',
      '120000 two=other',
    ]);
  });

  it('refuses a file where a directory is and a directory where a file is', () => {
    bench.commit([file('d/x'), file('f')]);
    expect(refusal([file('d')])[0]).toBe('unprocessable');
    expect(refusal([file('f/x')])[0]).toBe('unprocessable');
    expect(refusal([file('new'), file('new/x')])[0]).toBe('unprocessable');
    expect(after([], [remove('d/x'), file('d')])).toEqual(['100644 d=x', '100644 f=x']);
  });
});

describe('delete', () => {
  it('removes one file with its empty directories, ignoring missing paths and directories', () => {
    const before = [file('a/b/c'), file('keep/x')];
    expect(
      after(before, [remove('a/b/c'), remove('a/b/c'), remove('nothing'), remove('keep'), remove('keep/x/y')]),
    ).toEqual(['100644 keep/x=x']);
  });

  it('may leave nothing at all', () => {
    bench.commit([file('a')]);
    expect(bench.commit([remove('a')]).treeSha).toBe('4b825dc642cb6eb9a060e54bf8d69288fbee4904');
  });
});

describe('rename', () => {
  it('moves content and mode over whatever file is there', () => {
    expect(after([file('a', '1', '100755'), file('b', '2')], [rename('a', 'b')])).toEqual(['100755 b=1']);
  });

  it('works into a directory of its own name, out of it, and onto itself', () => {
    expect(after([file('a')], [rename('a', 'a/b')])).toEqual(['100644 a/b=x']);
    expect(after([], [rename('a/b', 'a')])).toEqual(['100644 a=x']);
    expect(after([], [rename('a', 'a')])).toEqual(['100644 a=x']);
  });

  it('refuses missing sources, directories, and links that would control git', () => {
    bench.commit([file('d/x'), file('link', '/etc/passwd', '120000')]);
    expect(refusal([rename('no', 'b')])).toEqual(['not_found', 'File not found for rename: no']);
    expect(refusal([rename('d', 'b')])).toEqual(['not_found', 'File not found for rename: d']);
    expect(refusal([rename('link', 'd/.gitmodules')])).toEqual([
      'invalid_input',
      'File path may not be a symbolic link: d/.gitmodules',
    ]);
  });
});

describe('edit', () => {
  it('sees what earlier changes of the same commit did', () => {
    const changes = [file('a', 'one'), replace('a', 'one', 'two'), rename('a', 'b'), replace('b', 'two', 'three')];
    expect(after([], changes)).toEqual(['100644 b=three']);
  });

  it('keeps the mode unless it names one', () => {
    const changes = [replace('p', 'x', 'y'), { ...replace('f', 'x', 'y'), mode: '100755' }];
    expect(after([file('p', 'x', '100755'), file('f')], changes)).toEqual(['100755 f=y', '100755 p=y']);
  });

  it('refuses what is no file', () => {
    bench.commit([file('d/x'), file('link', 'd/x', '120000')]);
    expect(refusal([replace('no', 'a', 'b')])).toEqual(['not_found', 'File not found for edit: no']);
    expect(refusal([replace('d', 'a', 'b')])).toEqual(['not_found', 'File not found for edit: d']);
    expect(refusal([remove('d/x'), replace('d/x', 'a', 'b')])[0]).toBe('not_found');
    expect(refusal([replace('link', 'd', 'b')])).toEqual(['unprocessable', 'Cannot edit a symbolic link: link']);
    expect(refusal([replace('d/x', 'no', 'b')])[0]).toBe('unprocessable');
  });

  it('refuses files that are, or would become, larger than a file may be', () => {
    bench.commit([file('a', 'x'.repeat(9))]);
    const grown = bench.try(
      [{ path: 'a', action: 'edit', edits: [{ range: [2, 2], content: 'yy' }] }],
      {},
      { maxFileBytes: 11 },
    );
    expect(grown).toMatchObject({
      ok: false,
      error: { code: 'payload_too_large', details: { actual_bytes: 12, path: 'a' } },
    });
    const large = bench.try([replace('a', 'x', '')], {}, { maxFileBytes: 8 });
    expect(large).toMatchObject({
      ok: false,
      error: { code: 'payload_too_large', details: { limit_bytes: 8, actual_bytes: 9 } },
    });
  });
});

describe('lazy_edit', () => {
  it('needs the file, then a model', () => {
    bench.commit([file('a')]);
    const lazy = (path: string) => ({ path, action: 'lazy_edit', edit_snippet: 's' });
    expect(refusal([lazy('no')])).toEqual(['not_found', 'File not found for lazy_edit: no']);
    expect(refusal([lazy('a')])).toEqual(['unavailable', 'lazy_edit is not configured on this deployment']);
  });
});
