import { spawnSync } from 'node:child_process';
import { join, relative } from 'node:path';
import { ARCHITECTURE, expectations, ROOT } from './planted-tree.js';

const PLANTED = join(ARCHITECTURE, 'planted/lint');

interface LintedFile {
  readonly filePath: string;
  readonly messages: readonly { readonly ruleId: string | null; readonly message: string }[];
}

interface ExportedConfig {
  readonly plugins?: { readonly roundhouse?: { readonly rules: object } };
}

/** `file: rule` for everything the real configuration says about a tree, sorted, once each. */
function complaints(tree: string): string[] {
  const run = spawnSync(process.execPath, [join(ROOT, 'node_modules/.bin/eslint'), '--format', 'json', '.'], {
    cwd: tree,
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '' },
    maxBuffer: 64 << 20,
  });
  if (run.stdout === '') throw new Error(run.stderr);
  const found = (JSON.parse(run.stdout) as LintedFile[]).flatMap(({ filePath, messages }) =>
    messages.map(({ ruleId, message }) => `${relative(tree, filePath)}: ${ruleId ?? message}`),
  );
  return [...new Set(found)].sort();
}

describe('the lint rules', () => {
  it('fire exactly on the planted violations, and not where the exception is the job', () => {
    expect(complaints(PLANTED)).toEqual(expectations(PLANTED));
  });

  it('each have a planted violation', async () => {
    const { default: configs } = (await import(join(ROOT, 'eslint.config.mjs'))) as { default: ExportedConfig[] };
    const own = configs.flatMap(({ plugins }) => Object.keys(plugins?.roundhouse?.rules ?? {}));
    const planted = expectations(PLANTED).map((line) => line.split(': ')[1] ?? '');
    const plantedOwn = planted.filter((rule) => rule.startsWith('roundhouse/')).map((rule) => rule.slice(11));
    expect([...new Set(plantedOwn)].sort()).toEqual(own.sort());
  });
});
