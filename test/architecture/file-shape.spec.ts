import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { LIBS } from './import-table.js';
import { ROOT } from './planted-tree.js';

const SUFFIXES =
  'module providers service repository entity controller dto guard filter interceptor events jobs spec int-spec e2e-spec'.split(
    ' ',
  );
const BANNED_WORDS = 'util utils helper helpers common misc manager'.split(' ');
const KEBAB_CASE = /^[a-z0-9]+(-[a-z0-9]+)*$/;
const CODE_FOLDERS = ['apps', 'libs', 'test', 'bench'];

/** The TypeScript files of the project without the planted ones. */
function sources(): string[] {
  const files = CODE_FOLDERS.filter((folder) => existsSync(join(ROOT, folder))).flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((file) => `${folder}/${file}`),
  );
  return files.filter((file) => file.endsWith('.ts') && !file.startsWith('test/architecture/planted/'));
}

/** What is wrong with a path's names; undefined when nothing is. */
function nameComplaint(path: string): string | undefined {
  const [name = '', ...suffixes] = basename(path, '.ts').split('.');
  const words = [...dirname(path).split('/'), name].flatMap((part) => part.split('-'));
  const banned = words.find((word) => BANNED_WORDS.includes(word));
  if (banned !== undefined) return `${path}: '${banned}' says nothing about what is inside`;
  const misspelt = [...dirname(path).split('/'), name].find((part) => !KEBAB_CASE.test(part));
  if (misspelt !== undefined) return `${path}: '${misspelt}' is not kebab-case`;
  const unknown = suffixes.find((suffix) => !SUFFIXES.includes(suffix));
  if (unknown !== undefined) return `${path}: '.${unknown}' is not in the list of suffixes`;
  return undefined;
}

const isPublicFace = (path: string): boolean => /^libs\/[^/]+\/src\/index\.ts$/.test(path);

/** The statements of a source, roughly: comments gone, each re-export or import on its own. */
function statements(source: string): string[] {
  const code = source.replace(/\/\*.*?\*\//gs, '').replace(/^\s*\/\/.*$/gm, '');
  return code
    .split(';')
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');
}

const isReExport = (statement: string): boolean => /^export (type )?(\*|\{[^}]*\})[^;]* from '/s.test(statement);

/** What is wrong with a file as (or as not) the face of its lib; undefined when nothing is. */
function barrelComplaint(path: string, source: string): string | undefined {
  const all = statements(source);
  const foreign = all.find((statement) => !isReExport(statement));
  if (isPublicFace(path)) return foreign === undefined ? undefined : `${path}: an index.ts only re-exports`;
  if (basename(path) === 'index.ts') return `${path}: the only index.ts is a lib's src/index.ts`;
  if (/^export (type )?\*/m.test(source)) return `${path}: only a lib's index.ts may \`export *\``;
  return all.length > 0 && foreign === undefined ? `${path}: only re-exports, which makes it a barrel` : undefined;
}

describe('the shape of files', () => {
  it('gives every file a kebab-case name, a known suffix and no name that says nothing', () => {
    expect(sources()).toContain('libs/kernel/src/index.ts');
    expect(sources().map(nameComplaint).filter(Boolean)).toEqual([]);
  });

  it.each([
    'libs/repos/src/path-utils.ts',
    'libs/repos/src/helpers/path.ts',
    'libs/repos/src/store.manager.ts',
    'libs/repos/src/RepoService.ts',
    'libs/repos/src/repos.provider.ts',
    'libs/common/src/index.ts',
    'libs/repos/src/repos.test.ts',
  ])('refuses the name %s', (path) => {
    expect(nameComplaint(path)).toContain(path);
  });

  it.each(['libs/repos/src/http/v1-repos.dto.ts', 'libs/repos/src/repos.service.int-spec.ts', 'bench/commit.ts'])(
    'accepts the name %s',
    (path) => {
      expect(nameComplaint(path)).toBeUndefined();
    },
  );

  it("knows one kind of barrel, a lib's index.ts", () => {
    const complaints = sources().map((path) => barrelComplaint(path, readFileSync(join(ROOT, path), 'utf8')));
    expect(complaints.filter(Boolean)).toEqual([]);
  });

  it.each([
    ['libs/repos/src/http/index.ts', "export * from './v1-repos.dto.js';"],
    ['libs/repos/src/repo-types.ts', "// All of them.\nexport * from './repo.js';\nexport const one = 1;"],
    ['libs/repos/src/repo-types.ts', "export { Repo } from './repo.js';\nexport type {\n  Ref,\n} from './ref.js';"],
    ['libs/repos/src/index.ts', "export * from './repo.js';\nexport const limit = 3;"],
  ])('refuses %s as a second barrel or as a face with code: %s', (path, source) => {
    expect(barrelComplaint(path, source)).toContain(path);
  });

  it.each([
    ['libs/repos/src/index.ts', "/** The face. */\nexport * from './repo.js';\nexport type { Ref } from './ref.js';"],
    ['libs/repos/src/repo.ts', "export { Sha } from './sha.js';\nexport class Repo {}"],
  ])('accepts %s: %s', (path, source) => {
    expect(barrelComplaint(path, source)).toBeUndefined();
  });

  it('has no lib outside the import table, and a README in each', () => {
    const libs = readdirSync(join(ROOT, 'libs'));
    expect(libs.filter((lib) => !LIBS.includes(lib))).toEqual([]);
    expect(libs.filter((lib) => !existsSync(join(ROOT, 'libs', lib, 'README.md')))).toEqual([]);
  });
});
