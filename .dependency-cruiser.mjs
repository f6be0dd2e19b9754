import { allowedImports, LIBS } from './test/architecture/import-table.ts';

const TEST_FILE = String.raw`(?:\.(?:spec|int-spec|e2e-spec)\.ts$|/testing/)`;
const INDEX = String.raw`^libs/[^/]+/src/index\.ts$`;
const NPM = ['npm', 'npm-dev', 'npm-optional', 'npm-peer', 'npm-bundled', 'npm-no-pkg', 'npm-unknown'];

const forbid = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });

const tableRules = LIBS.map((lib) =>
  forbid(
    `${lib}-imports`,
    `${lib} may import: ${allowedImports(lib).join(', ') || 'no other lib'}`,
    { path: `^libs/${lib}/` },
    { path: '^libs/', pathNot: `^libs/(${[lib, ...allowedImports(lib)].join('|')})/` },
  ),
);

const runnerTargets = allowedImports('apps/runner').join('|');

/** The import table and the rules around it. `test/architecture/import-table.spec.ts` plants a violation of each. */
export default {
  forbidden: [
    ...tableRules,
    forbid(
      'only-through-index',
      "Another lib is reached through its index.ts (`import … from '#name'`), never through a file inside it",
      { path: '^(libs|apps)/([^/]+)/', pathNot: TEST_FILE },
      { path: '^libs/', pathNot: ['^$1/$2/', INDEX] },
    ),
    forbid(
      'spec-only-through-index',
      'A test sees every file of its own lib and of platform, and the index.ts of the others',
      { path: `^(libs|apps)/([^/]+)(?=/).*${TEST_FILE}` },
      { path: '^libs/', pathNot: ['^$1/$2/', '^libs/platform/', INDEX] },
    ),
    forbid('not-to-apps', 'Nothing imports apps: they are the ends', { path: '^libs/' }, { path: '^apps/' }),
    forbid(
      'runner-imports',
      `apps/runner may import only: ${runnerTargets}`,
      { path: '^apps/runner/', pathNot: TEST_FILE },
      // Types vanish when compiled: the runner speaks the types of its client and loads nothing of that lib.
      { path: '^(apps|libs)/', pathNot: `^(apps/runner|libs/(${runnerTargets}))/`, dependencyTypesNot: ['type-only'] },
    ),
    forbid(
      'plain-node',
      'The kernel and the runner are plain TypeScript on Node, so that the runner starts small and spawns fast',
      { path: '^(libs/kernel|apps/runner)/', pathNot: TEST_FILE },
      { dependencyTypes: NPM },
    ),
    forbid('no-cycles', 'Files do not import each other in a circle', {}, { circular: true }),
    forbid('no-unresolvable', 'Every import must resolve, or no other rule sees it', {}, { couldNotResolve: true }),
    forbid('not-to-dist', 'Sources never import compiled output', {}, { path: '^dist/' }),
    forbid(
      'no-dev-dependencies',
      'What ships may not need a devDependency',
      { path: '^(libs|apps)/', pathNot: TEST_FILE },
      { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    ),
    forbid(
      'no-undeclared-dependencies',
      'A package that only happens to be installed may be gone tomorrow: declare it in package.json',
      { path: '^(libs|apps)/' },
      { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    ),
    forbid(
      'production-without-tests',
      'What ships does not import tests or their support',
      { path: '^(libs|apps)/', pathNot: TEST_FILE },
      { path: `^(test|bench)/|${TEST_FILE}` },
    ),
    forbid(
      'spec-only-test-support',
      'Of test/, a spec beside its source may import test/support only',
      { path: '^(libs|apps)/' },
      { path: '^(test|bench)/', pathNot: '^test/support/' },
    ),
  ],
  options: {
    // Type-only imports are boundaries too.
    tsPreCompilationDeps: true,
    doNotFollow: { path: '(^|/)node_modules/' },
    exclude: { path: '^test/architecture/planted/' },
    enhancedResolveOptions: {
      // Without the condition of tsconfig.json, which no dependency uses for its own, '#name' resolves to dist/ or to nothing and every boundary rule passes.
      conditionNames: ['roundhouse-source', 'import', 'node', 'default'],
      exportsFields: ['exports'],
      extensions: ['.ts', '.mjs', '.js', '.cjs', '.json'],
    },
  },
};
