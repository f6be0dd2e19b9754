import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { DomainError } from '#kernel';
import { assertFilePath, forbiddenComponent, isForbiddenSymlink } from './path-rules.js';

const ROUNDS = Number(process.env.ROUNDS ?? 1500);
const SEED = Number(process.env.SEED ?? Date.now() % 1e9);

function refusal(path: unknown): string {
  try {
    assertFilePath(path);
  } catch (error) {
    if (error instanceof DomainError) {
      expect(error.code).toBe('invalid_input');
      expect(error.field).toBe('path');
      return error.message;
    }
    throw error;
  }
  return 'accepted';
}

describe('file paths', () => {
  it.each([
    [undefined, 'File path is required'],
    [null, 'File path is required'],
    [7, 'File path is required'],
    ['', 'File path is required'],
    ['a\0b', 'File path contains null byte: a\0b'],
    ['/etc/passwd', 'File path must be relative: /etc/passwd'],
    ['a//b', 'File path has empty segment: a//b'],
    ['a/', 'File path has empty segment: a/'],
    ['../a', 'File path contains traversal: ../a'],
    ['a/./b', 'File path contains traversal: a/./b'],
    ['..', 'File path contains traversal: ..'],
    ['a\ud800', 'File path contains invalid unicode: a\ufffd'],
    ['a/.git/config', 'File path contains forbidden component: a/.git/config'],
    ['.GiT', 'File path contains forbidden component: .GiT'],
    ['.g\u200cit/x', 'File path contains forbidden component: .g\u200cit/x'],
    ['git~1/x', 'File path contains forbidden component: git~1/x'],
    ['.git::$INDEX_ALLOCATION/x', 'File path contains forbidden component: .git::$INDEX_ALLOCATION/x'],
    ['.git ./x', 'File path contains forbidden component: .git ./x'],
    ['a/.gitmodules/b', 'File path contains forbidden component: a/.gitmodules/b'],
    ['GITATT~1/b', 'File path contains forbidden component: GITATT~1/b'],
    ['.git:stream', 'File path contains forbidden component: .git:stream'],
    ['a\\b', 'File path contains backslash: a\\b'],
    ['a\nb', 'File path contains control character: a\nb'],
    ['a\x7fb', 'File path contains control character: a\x7fb'],
  ])('refuses %j', (path, text) => expect(refusal(path)).toBe(text));

  it.each([
    'index.html',
    '.gitignore',
    '.github/x.yml',
    'a/...',
    'git',
    'git~',
    '.gitx',
    'ü/日本 語.txt',
    'x'.repeat(255),
  ])('accepts the path %#', (path) => expect(assertFilePath(path)).toBe(path));

  it('refuses paths and components beyond their limits', () => {
    expect(refusal('x'.repeat(4097))).toBe(`File path exceeds 4096 char limit: ${'x'.repeat(100)}...`);
    const manyBytes = 'ab/'.repeat(1364) + '€€';
    expect(refusal(manyBytes)).toBe(`File path exceeds 4096 byte limit: ${manyBytes.slice(0, 100)}...`);
    const longName = 'd/' + 'x'.repeat(256);
    expect(refusal(longName)).toBe(`File path contains component longer than 255 bytes: ${longName}`);
  });

  it('names a huge path by its beginning only', () => {
    expect(refusal('\0' + 'x'.repeat(1_000_000)).length).toBeLessThan(200);
  });

  it('throws nothing but a domain error for any value', () => {
    fc.assert(
      fc.property(fc.oneof(fc.anything(), fc.string({ unit: 'binary' })), (value) => {
        refusal(value);
      }),
      { numRuns: ROUNDS, seed: SEED },
    );
  });
});

describe('against git itself', () => {
  const pieces = ['.', '..', '.git', '.GIT', 'git', 'gIt~1', '~1', '~', '1', ' ', ':', '::$I', 'x', 'g', 'it', '\\'];
  const badBytes = ['\u200c', '\u206f', '\ufeff', '\u202e'].map((text) => Buffer.from(text));
  const malformed = ['ff', 'efbfbe', 'c0ae', 'eda080', 'f4908080', 'e280', '80'].map((hex) => Buffer.from(hex, 'hex'));
  const component = fc
    .array(fc.constantFrom(...pieces.map((piece) => Buffer.from(piece)), ...badBytes, ...malformed), {
      minLength: 1,
      maxLength: 4,
    })
    .map((parts) => Buffer.concat(parts));
  const control = fc.constantFrom(
    '.gitmodules',
    '.GitAttributes',
    'gitmod~1',
    'GITATT~4',
    'gitmod~5',
    'gi7eba~1',
    'gi7d29~2',
  );
  const suffix = fc.constantFrom('', ' ', '.', ':x', 'x', '\u200d', '. ');
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'paths-'));
    execFileSync('git', ['init', '-q', '--bare', folder]);
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** Writes one tree per entry and returns the fsck findings of each. */
  function fsck(entries: { name: Buffer; mode: string }[]): string[][] {
    const blob = execFileSync('git', ['hash-object', '-w', '--stdin'], { cwd: folder, input: 'x' }).toString().trim();
    const files = entries.map(({ name, mode }, index) => {
      const file = join(folder, `tree-${index}`);
      writeFileSync(file, Buffer.concat([Buffer.from(`${mode} `), name, Buffer.from([0]), Buffer.from(blob, 'hex')]));
      return file;
    });
    const write = ['hash-object', '-t', 'tree', '-w', '--literally', '--stdin-paths'];
    const ids = execFileSync('git', write, { cwd: folder, input: files.join('\n') + '\n' })
      .toString()
      .trim()
      .split('\n');
    const output = execFileSync('sh', ['-c', 'git fsck --strict --no-dangling 2>&1 || true'], {
      cwd: folder,
    }).toString();
    const found = new Map<string, string[]>();
    for (const [, id = '', finding = ''] of output.matchAll(/in tree ([0-9a-f]{40}): (\w+):/g)) {
      found.set(id, [...(found.get(id) ?? []), finding]);
    }
    return ids.map((id) => found.get(id) ?? []);
  }

  it('refuses every component that fsck calls a disguise of . .. or .git', () => {
    const names = fc.sample(component, { numRuns: ROUNDS, seed: SEED });
    const findings = fsck(names.map((name) => ({ name, mode: '100644' })));
    const flagged = names.filter((_, index) => findings[index]?.some((finding) => /^hasDot/.test(finding)));
    const missed = flagged.filter((name) => forbiddenComponent(name) === null);
    expect({ seed: SEED, missed: missed.map((name) => name.toString('latin1')) }).toEqual({ seed: SEED, missed: [] });
    expect(flagged.length).toBeGreaterThan(ROUNDS / 20);
    const accepted = names.filter((name) => forbiddenComponent(name) === null);
    expect(accepted.length).toBeGreaterThan(ROUNDS / 20);
  });

  it('knows every symbolic link that fsck calls a disguise of .gitmodules or .gitattributes', () => {
    const names = fc
      .sample(fc.tuple(control, suffix), { numRuns: Math.min(ROUNDS, 500), seed: SEED })
      .map(([name, end]) => Buffer.from(name + end));
    const findings = fsck(names.map((name) => ({ name, mode: '120000' })));
    const ours = names.map((name) => isForbiddenSymlink(name, 0o120000));
    const gits = findings.map((found) => found.some((finding) => /^git(?:modules|attributes)Symlink$/.test(finding)));
    const differ = names.filter((_, index) => ours[index] !== gits[index]).map((name) => name.toString());
    expect(differ).toEqual([]);
    expect(gits).toContain(true);
    expect(gits).toContain(false);
  });

  it('lets the control files exist as ordinary files', () => {
    expect(isForbiddenSymlink(Buffer.from('.gitmodules'), 0o100644)).toBe(false);
    expect(isForbiddenSymlink(Buffer.from('.gitignore'), 0o120000)).toBe(true);
    expect(isForbiddenSymlink(Buffer.from('readme'), 0o120000)).toBe(false);
  });
});
