import fc from 'fast-check';
import { DomainError } from '#kernel';
import { DEFAULT_AUTHOR, type CommitRequest } from './commit-request.js';
import { assertLazyEditsAllowed, parseCommitRequest } from './parse-commit-request.js';

const ROUNDS = Number(process.env.ROUNDS ?? 2000);
const SEED = Number(process.env.SEED ?? Date.now() % 1e9);
const LIMITS = { maxFileBytes: 10_485_760 };

const file = { path: 'a.txt', content: 'x' };
const valid = { branch: 'main', message: 'm', author: { name: 'Agent', email: 'a@b.c' }, changes: [file] };

function parse(body: unknown): CommitRequest {
  return parseCommitRequest(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)), LIMITS);
}

function refusal(body: unknown): string {
  return failure(() => parse(body)).message;
}

function failure(run: () => unknown): DomainError {
  try {
    run();
  } catch (error) {
    if (error instanceof DomainError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

/** A request with one change. */
function change(members: Record<string, unknown>): unknown {
  return { ...valid, changes: [{ path: 'a.txt', ...members }] };
}

describe('the body as a whole', () => {
  it.each(['', '{', 'null', '[]', '7', '"text"', '{"branch":}', '{} {}'])('refuses %j as JSON body', (text) =>
    expect(refusal(text)).toBe('Invalid JSON body'),
  );

  it('refuses bytes that are not UTF-8 and nesting that would exhaust the stack', () => {
    const bytes = Buffer.concat([Buffer.from('{"branch":"'), Buffer.from([0xff]), Buffer.from('"}')]);
    expect(failure(() => parseCommitRequest(bytes, LIMITS)).message).toBe('Invalid JSON body');
    expect(refusal('['.repeat(3_000_000))).toBe('Invalid JSON body');
    expect(refusal(`{"x":${'['.repeat(2_000_000)}${']'.repeat(2_000_000)}}`)).toBe('branch is required');
  });

  it('accepts a byte order mark, members it does not know and a view into a larger buffer', () => {
    const text = JSON.stringify({ ...valid, trace: { id: 1 } });
    const padded = Buffer.from(`##\ufeff${text}##`);
    expect(parseCommitRequest(padded.subarray(2, -2), LIMITS).branch).toBe('main');
    expect(parseCommitRequest(new Uint8Array(Buffer.from(text)), LIMITS).message).toBe('m');
  });

  it('reports the first failure in the order of the contract', () => {
    expect(refusal({})).toBe('branch is required');
    expect(refusal({ branch: 'main' })).toBe('message is required');
    expect(refusal({ branch: 'main', message: 'm', author: {} })).toBe('author.name and author.email are required');
    expect(refusal({ branch: 'main', message: 'm' })).toBe('changes array is required and must not be empty');
    expect(refusal({ ...valid, changes: [{ path: 'a', content: 1 }, { path: '' }] })).toBe(
      'content must be a string: a',
    );
  });
});

describe('branch, message, author and parent', () => {
  it.each(['a b', 'HEAD', '-x', 'refs/heads/main', 'x'.repeat(257)])('refuses the branch %s', (branch) =>
    expect(refusal({ ...valid, branch })).toBe('Invalid branch name'),
  );

  it.each([null, 7, '', ['main'], { a: 1 }])('requires a branch and a message that are text, not %j', (value) => {
    expect(refusal({ ...valid, branch: value })).toBe('branch is required');
    expect(refusal({ ...valid, message: value })).toBe('message is required');
  });

  it('measures the message in bytes', () => {
    expect(parse({ ...valid, message: 'é'.repeat(25_600) }).message).toHaveLength(25_600);
    expect(refusal({ ...valid, message: 'é'.repeat(25_600) + 'x' })).toBe('Commit message exceeds 50 KB limit');
    expect(refusal({ ...valid, message: 'a\0' })).toBe('message must not contain null bytes');
    expect(refusal('{"branch":"b","message":"\\ud800"}')).toBe('message contains invalid unicode');
  });

  it('fills in a missing author and refuses an incomplete or dangerous one', () => {
    expect(parse({ ...valid, author: null }).author).toEqual(DEFAULT_AUTHOR);
    expect(parse({ ...valid, author: undefined }).author).toEqual(DEFAULT_AUTHOR);
    expect(parse({ ...valid, author: { name: ' Zoë ', email: 'z@b', date: 'x' } }).author).toEqual({
      name: 'Zoë',
      email: 'z@b',
    });
    for (const author of [
      'A',
      7,
      [],
      { name: 'a' },
      { name: '', email: 'b' },
      { name: 'a', email: 7 },
      { name: ' ', email: 'b' },
    ]) {
      expect(refusal({ ...valid, author })).toBe('author.name and author.email are required');
    }
    for (const bad of ['a\nparent x', 'a\rb', 'a\0', 'a<b', 'a>b']) {
      expect(refusal({ ...valid, author: { name: bad, email: 'e' } })).toContain('must not contain line breaks');
      expect(refusal({ ...valid, author: { name: 'n', email: bad } })).toContain('must not contain line breaks');
    }
    expect(refusal({ ...valid, author: { name: '.;,"', email: 'e' } })).toContain('only of disallowed characters');
  });

  it('takes a parent as given and none for null or the empty text', () => {
    expect(parse({ ...valid, parent_sha: 'ABC' }).parentSha).toBe('ABC');
    for (const none of [undefined, null, '']) expect(parse({ ...valid, parent_sha: none }).parentSha).toBeNull();
    expect(refusal({ ...valid, parent_sha: 7 })).toBe('parent_sha must be a string');
  });
});

describe('changes', () => {
  it('are an array of 1 to 1000 objects', () => {
    for (const changes of [undefined, null, {}, 'x', []]) {
      expect(refusal({ ...valid, changes })).toBe('changes array is required and must not be empty');
    }
    expect(parse({ ...valid, changes: Array(1000).fill(file) }).changes).toHaveLength(1000);
    expect(refusal({ ...valid, changes: Array(1001).fill(file) })).toBe('Maximum 1000 file changes per commit');
    expect(refusal({ ...valid, changes: [file, null] })).toBe('changes[1] must be an object');
  });

  it('refuse a path, an action or a member they do not know', () => {
    expect(refusal(change({ path: '../x', action: 'bogus' }))).toBe('File path contains traversal: ../x');
    expect(refusal(change({ path: undefined }))).toBe('File path is required');
    expect(refusal(change({ action: 'upsert', content: 'x' }))).toBe('Unknown action "upsert": a.txt');
    expect(refusal(change({ action: 7, content: 'x' }))).toBe('Unknown action of a type other than string: a.txt');
    expect(refusal(change({ content: 'x', newpath: 'y' }))).toBe('Unknown member "newpath" in changes[0]');
    expect(refusal('{"branch":"b","message":"m","changes":[{"path":"a","content":"","__proto__":{}}]}')).toBe(
      'Unknown member "__proto__" in changes[0]',
    );
  });

  it('create a file from text or base64', () => {
    const [text, bytes] = parse({
      ...valid,
      changes: [
        { path: 'a', content: '' },
        { path: 'b', action: 'create', content: 'AP8=', encoding: 'base64', mode: '100755' },
      ],
    }).changes;
    expect(text).toEqual({ action: 'create', path: 'a', content: Buffer.alloc(0), mode: null });
    expect(bytes).toEqual({ action: 'create', path: 'b', content: Buffer.from([0, 255]), mode: '100755' });
  });

  it('need content that is sound text', () => {
    expect(refusal(change({}))).toBe('content is required for action "create": a.txt');
    expect(refusal(change({ content: null }))).toBe('content is required for action "create": a.txt');
    expect(refusal(change({ content: { a: 1 } }))).toBe('content must be a string: a.txt');
    expect(refusal(change({ content: '\ud800' }))).toBe('content contains invalid unicode: a.txt');
    expect(refusal(change({ content: 'x', encoding: 'latin1' }))).toBe('encoding must be "utf-8" or "base64": a.txt');
  });

  it.each(['', 'YQ', 'YQ==', 'YWI', 'YWI=', 'YWJj', 'abc', 'ab', '+/+/'])('accept %j as base64', (content) => {
    const [only] = parse(change({ content, encoding: 'base64' })).changes;
    expect(only).toMatchObject({ content: Buffer.from(content, 'base64') });
  });

  it.each(['a', 'abcde', 'YQ=', 'YWJj=', '=', '====', 'Y===', 'YQ==YQ==', 'Y Q=', 'YWJj\n', '-_-_', 'é'])(
    'refuse %j as base64',
    (content) =>
      expect(refusal(change({ content, encoding: 'base64' }))).toBe('Invalid base64 content for file: a.txt'),
  );

  it('measure files in decoded bytes', () => {
    const limit = LIMITS.maxFileBytes;
    const tooLarge = failure(() => parse(change({ content: 'x'.repeat(limit + 1) })));
    expect(tooLarge.code).toBe('payload_too_large');
    expect(tooLarge.message).toBe('File content exceeds 10 MB limit: a.txt');
    expect(tooLarge.details).toEqual({ limit_bytes: limit, actual_bytes: limit + 1, path: 'a.txt' });
    const full = Buffer.alloc(limit).toString('base64');
    expect(parse(change({ content: full, encoding: 'base64' })).changes).toHaveLength(1);
    const over = failure(() =>
      parse(change({ content: Buffer.alloc(limit + 1).toString('base64'), encoding: 'base64' })),
    );
    expect(over.details.actual_bytes).toBe(limit + 1);
    const small = failure(() => parseCommitRequest(Buffer.from(JSON.stringify(valid)), { maxFileBytes: 0 }));
    expect(small.message).toBe('File content exceeds 0 MB limit: a.txt');
  });

  it('take a mode where it means something', () => {
    expect(parse(change({ action: 'edit', edits: [{ old_string: 'a' }], mode: '100755' })).changes).toHaveLength(1);
    expect(refusal(change({ content: 'x', mode: '100777' }))).toBe('mode must be one of 100644, 100755, 120000: a.txt');
    expect(refusal(change({ content: 'x', mode: 100644 }))).toBe('mode must be one of 100644, 100755, 120000: a.txt');
    expect(refusal(change({ action: 'delete', mode: '100644' }))).toBe(
      'mode 100644 is not allowed for action "delete": a.txt',
    );
    expect(failure(() => parse(change({ action: 'rename', new_path: 'b', mode: '100644' }))).field).toBe('mode');
    expect(refusal(change({ action: 'edit', edits: [{ old_string: 'a' }], mode: '120000' }))).toContain('mode 120000');
    expect(refusal(change({ content: '', mode: '120000' }))).toContain('Symbolic link target');
    expect(refusal(change({ path: 'x/.gitmodules', content: 'y', mode: '120000' }))).toBe(
      'File path may not be a symbolic link: x/.gitmodules',
    );
  });

  it('rename to a path under the same rules', () => {
    const [only] = parse(change({ action: 'rename', new_path: 'b/c' })).changes;
    expect(only).toEqual({ action: 'rename', path: 'a.txt', newPath: 'b/c' });
    expect(refusal(change({ action: 'rename' }))).toBe('new_path is required for action "rename": a.txt');
    expect(refusal(change({ action: 'rename', new_path: '.git/x' }))).toBe(
      'File path contains forbidden component: .git/x',
    );
  });
});

describe('edits', () => {
  const edits = (...list: unknown[]): unknown => change({ action: 'edit', edits: list });

  it('become bytes, and a range wins over old_string', () => {
    const [only] = parse(edits({ old_string: 'é' }, { range: [2, 3], content: 'x', old_string: 'y' })).changes;
    expect(only).toMatchObject({
      edits: [
        { kind: 'string', oldBytes: Buffer.from('é'), newBytes: Buffer.alloc(0), context: 'é' },
        { kind: 'range', start: 2, end: 3, content: Buffer.from('x') },
      ],
    });
  });

  it('are refused when their shape is wrong', () => {
    for (const list of [undefined, null, [], 'x', {}]) {
      expect(refusal(change({ action: 'edit', edits: list }))).toBe('edits array required for action "edit": a.txt');
    }
    expect(refusal(edits({ new_string: 'x' }))).toBe('Each edit must have either "range" or "old_string": a.txt');
    expect(refusal(edits(null))).toBe('changes[0].edits[0] must be an object');
    expect(refusal(edits({ old_string: 'a', newString: 'b' }))).toBe(
      'Unknown member "newString" in changes[0].edits[0]',
    );
    expect(refusal(edits({ old_string: 7 }))).toBe('old_string must be a string: a.txt');
    expect(refusal(edits({ old_string: 'a', new_string: null }))).toBe('new_string must be a string: a.txt');
    expect(refusal(edits({ range: [1, 1], content: 7 }))).toBe('content must be a string: a.txt');
    for (const range of ['1-2', 1, [], [1], [1, 2, 3], ['1', '2'], [1, 2.5], [1, null], { start: 1 }]) {
      expect(refusal(edits({ range }))).toBe('range must be [startLine, endLine] with integers: a.txt');
    }
  });

  it('are bounded in number', () => {
    expect(refusal(edits(...Array(10_001).fill({ old_string: 'a' })))).toBe('Maximum 10000 edits per commit');
  });
});

describe('lazy edits', () => {
  const lazy = (members: Record<string, unknown>): unknown =>
    change({ action: 'lazy_edit', edit_snippet: 's', ...members });
  const terms = { paidPlan: true, configured: true, upgradeUrl: 'https://example.test/upgrade' };

  it('are validated in full and counted', () => {
    expect(parse(lazy({ instruction: 'why' }))).toMatchObject({
      lazyEdits: 1,
      changes: [{ snippet: 's', instruction: 'why' }],
    });
    expect(refusal(lazy({ edit_snippet: '' }))).toBe('edit_snippet required for action "lazy_edit": a.txt');
    expect(refusal(lazy({ edit_snippet: 7 }))).toBe('edit_snippet required for action "lazy_edit": a.txt');
    expect(parse(lazy({ edit_snippet: 'x'.repeat(204_800) })).lazyEdits).toBe(1);
    expect(refusal(lazy({ edit_snippet: 'x'.repeat(204_801) }))).toBe('edit_snippet exceeds 200 KB: a.txt');
    expect(refusal(lazy({ instruction: 'a\nb' }))).toBe('instruction must be a single-line string: a.txt');
    expect(refusal(lazy({ instruction: 7 }))).toBe('instruction must be a single-line string: a.txt');
  });

  it('need a paid plan, then at most 50 of them, then a model', () => {
    const refuse = (lazyEdits: number, changed: Partial<typeof terms>): DomainError =>
      failure(() => assertLazyEditsAllowed({ lazyEdits }, { ...terms, ...changed }));
    const unpaid = refuse(51, { paidPlan: false, configured: false });
    expect([unpaid.status, unpaid.message]).toEqual([402, 'lazy_edit requires a paid plan']);
    expect(unpaid.details).toEqual({ upgrade_url: terms.upgradeUrl });
    const many = refuse(51, { configured: false });
    expect([many.status, many.message]).toEqual([400, 'Maximum 50 lazy_edit changes per commit']);
    const unconfigured = refuse(50, { configured: false });
    expect([unconfigured.status, unconfigured.message]).toEqual([
      503,
      'lazy_edit is not configured on this deployment',
    ]);
    expect(() => assertLazyEditsAllowed({ lazyEdits: 50 }, terms)).not.toThrow();
    expect(() => assertLazyEditsAllowed({ lazyEdits: 0 }, { ...terms, paidPlan: false })).not.toThrow();
  });
});

describe('for any input', () => {
  const member = (sound: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
    fc.oneof({ weight: 12, arbitrary: sound }, { weight: 1, arbitrary: fc.jsonValue() });
  const text = fc.string({ unit: 'binary', maxLength: 8 });
  const edit = fc.record(
    {
      old_string: member(text),
      new_string: member(text),
      range: member(fc.tuple(fc.integer(), fc.integer())),
      content: member(text),
    },
    { requiredKeys: [] },
  );
  const entry = fc.record(
    {
      path: member(fc.oneof(text, fc.constantFrom('a', 'b/c', '.git', '..'))),
      action: member(fc.constantFrom('create', 'edit', 'delete', 'rename', 'lazy_edit')),
      content: member(text),
      encoding: member(fc.constantFrom('utf-8', 'base64')),
      mode: member(fc.constantFrom('100644', '100755', '120000')),
      edits: member(fc.array(member(edit), { maxLength: 3 })),
      new_path: member(text),
      edit_snippet: member(text),
      instruction: member(text),
    },
    { requiredKeys: ['path'] },
  );
  const request = fc.record(
    {
      branch: member(fc.constantFrom('main', 'a/b')),
      message: member(text),
      author: member(fc.record({ name: text, email: text })),
      changes: member(fc.array(member(entry), { maxLength: 3 })),
      parent_sha: member(fc.constantFrom('', 'a'.repeat(40))),
    },
    { requiredKeys: ['branch', 'message', 'changes'] },
  );

  it('throws nothing but a domain error of kind 400 or 413', () => {
    let accepted = 0;
    const kinds = new Set<string>();
    fc.assert(
      fc.property(
        fc.oneof({ weight: 9, arbitrary: member(request) }, { weight: 1, arbitrary: fc.jsonValue() }),
        (body) => {
          try {
            parseCommitRequest(Buffer.from(JSON.stringify(body)), { maxFileBytes: 4 });
            accepted += 1;
          } catch (error) {
            if (!(error instanceof DomainError)) throw error;
            kinds.add(error.code);
            expect(error.message.isWellFormed()).toBe(true);
          }
        },
      ),
      { numRuns: ROUNDS, seed: SEED },
    );
    expect(accepted).toBeGreaterThan(0);
    expect([...kinds].sort()).toEqual(['invalid_input', 'payload_too_large']);
  });

  it('survives bodies cut or damaged at any byte', () => {
    const body = Buffer.from(
      JSON.stringify({ ...valid, changes: [file, { path: 'é', action: 'edit', edits: [{ range: [1, 2] }] }] }),
    );
    const damaged = fc.tuple(fc.nat(body.length - 1), fc.nat(255)).map(([at, byte]) => {
      const copy = Buffer.from(body);
      copy[at] = byte;
      return copy;
    });
    const cut = fc.nat(body.length - 1).map((length) => body.subarray(0, length));
    fc.assert(
      fc.property(
        fc.oneof(
          damaged,
          cut,
          fc.uint8Array().map((bytes) => Buffer.from(bytes)),
        ),
        (bytes) => {
          try {
            parseCommitRequest(bytes, LIMITS);
          } catch (error) {
            if (!(error instanceof DomainError)) throw error;
          }
        },
      ),
      { numRuns: ROUNDS, seed: SEED },
    );
  });
});
