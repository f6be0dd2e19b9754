import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { allowedImports, LIBS, tableRows } from './import-table.js';
import { ARCHITECTURE, expectations, ROOT } from './planted-tree.js';

const PLANTED = join(ARCHITECTURE, 'planted/imports');

interface CruiseResult {
  readonly summary: {
    readonly violations: readonly { readonly from: string; readonly rule: { readonly name: string } }[];
  };
}

/** `file: rule` for every violation the real configuration finds in a tree, sorted, once each. */
function violations(tree: string): string[] {
  const folders = ['apps', 'libs', 'test'].filter((name) => existsSync(join(tree, name)));
  const cruiser = join(ROOT, 'node_modules/.bin/depcruise');
  const options = ['--config', join(ROOT, '.dependency-cruiser.mjs'), '--output-type', 'json'];
  const json = execFileSync(process.execPath, [cruiser, ...options, ...folders], {
    cwd: tree,
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '' },
    maxBuffer: 64 << 20,
  });
  const { summary } = JSON.parse(json) as CruiseResult;
  return [...new Set(summary.violations.map(({ from, rule }) => `${from}: ${rule.name}`))].sort();
}

function write(tree: string, file: string, text: string): void {
  mkdirSync(dirname(join(tree, file)), { recursive: true });
  writeFileSync(join(tree, file), text);
}

/** Packages cannot be committed under node_modules, so each copy of the planted tree gets them here. */
function installPackages(tree: string): void {
  for (const name of ['declared', 'dev-only', 'undeclared']) {
    write(tree, `node_modules/${name}/package.json`, JSON.stringify({ name, version: '1.0.0', main: 'index.js' }));
    write(tree, `node_modules/${name}/index.js`, 'exports.value = 1;');
  }
}

function build(tree: string): void {
  for (const lib of LIBS) write(tree, `dist/libs/${lib}/src/index.js`, `export const name = '${lib}';`);
}

describe('the import table', () => {
  let tree: string;

  beforeEach(() => {
    tree = mkdtempSync(join(tmpdir(), 'import-table-'));
  });

  afterEach(() => {
    rmSync(tree, { recursive: true });
  });

  it('fires exactly the expected rule on each planted violation of a built tree', () => {
    cpSync(PLANTED, tree, { recursive: true });
    installPackages(tree);
    build(tree);
    expect(violations(tree)).toEqual(expectations(PLANTED));
  });

  it('fires the same rules on a tree that was never built', () => {
    cpSync(PLANTED, tree, { recursive: true });
    installPackages(tree);
    // Without dist/ an import of compiled output does not resolve at all.
    const expected = expectations(PLANTED).map((line) => line.replace('not-to-dist', 'no-unresolvable'));
    expect(violations(tree)).toEqual(expected);
  });

  it('has a planted violation of every rule', async () => {
    const { default: config } = (await import(join(ROOT, '.dependency-cruiser.mjs'))) as {
      default: { forbidden: { name: string }[] };
    };
    const planted = new Set(expectations(PLANTED).map((line) => line.split(': ')[1]));
    expect([...planted].sort()).toEqual(config.forbidden.map((rule) => rule.name).sort());
  });

  it('decides every pair of libs as the table says', () => {
    cpSync(join(PLANTED, 'package.json'), join(tree, 'package.json'));
    const expected: string[] = [];
    for (const lib of LIBS) {
      write(tree, `libs/${lib}/src/index.ts`, `export const name = '${lib}';`);
      for (const other of LIBS.filter((name) => name !== lib)) {
        const file = `libs/${lib}/src/imports-${other}.ts`;
        write(tree, file, `export { name } from '#${other}';`);
        if (!allowedImports(lib).includes(other)) expected.push(`${file}: ${lib}-imports`);
      }
    }
    expect(violations(tree)).toEqual(expected.sort());
  });

  it('is the table that ARCHITECTURE.md prints', () => {
    const page = readFileSync(join(ROOT, 'ARCHITECTURE.md'), 'utf8');
    const section = /<!-- import-table -->(.*)<!-- \/import-table -->/s.exec(page)?.[1] ?? '';
    const rows = section
      .split('\n')
      .filter((line) => line.startsWith('|'))
      .map((line) =>
        line
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.replaceAll('`', '').trim()),
      );
    expect(rows.slice(2)).toEqual(tableRows());
  });
});
