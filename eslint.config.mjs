import { builtinRules } from 'eslint/use-at-your-own-risk';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';
import { banned, exceptDescribe } from './test/architecture/lint-rule-makers.mjs';

const TESTS = ['**/*.spec.ts', '**/*.int-spec.ts', '**/*.e2e-spec.ts', '**/testing/**', 'test/**', 'bench/**'];
const TOOLING = ['scripts/**', '*.mjs', '*.ts'];

/** Things refused by name: the rule, what it matches, why, and the files whose job it is. */
const BANS = [
  {
    name: 'no-process-env',
    selectors: [
      'MemberExpression[object.name="process"][property.name="env"]',
      'MemberExpression[object.name="process"][property.value="env"]',
      'VariableDeclarator[init.name="process"] > ObjectPattern > Property[key.name="env"]',
      'ImportDeclaration[source.value=/^(node:)?process$/] > ImportSpecifier[imported.name="env"]',
    ],
    message: 'Read the environment in config/ only: one validated schema, injected from there.',
    allowedIn: ['**/config/**', 'apps/*/src/main.ts', 'apps/runner/src/*-main.ts', 'apps/cli/**', ...TESTS, ...TOOLING],
  },
  {
    name: 'no-inject-repository',
    selectors: ['Identifier[name="InjectRepository"]'],
    message: 'Tables are touched in *.repository.ts only; ask the service that owns them.',
    allowedIn: ['**/*.repository.ts'],
  },
  {
    name: 'no-entity-manager',
    selectors: ['Identifier[name="EntityManager"]'],
    message: 'An EntityManager stays in *.repository.ts: elsewhere it slips past the open transaction of Database.',
    allowedIn: ['**/*.repository.ts', 'libs/platform/src/database/**'],
  },
  {
    name: 'no-http-exception',
    selectors: ['NewExpression[callee.name=/Exception$/]', 'ClassDeclaration[superClass.name=/Exception$/]'],
    message: 'The domain throws DomainError; only the HTTP layer knows HTTP exceptions.',
    allowedIn: ['**/http/**', 'libs/platform/src/access/**'],
  },
  {
    name: 'no-forward-ref',
    selectors: ['Identifier[name="forwardRef"]'],
    message: 'forwardRef hides two modules that import each other: turn one direction into an event or a port.',
    allowedIn: [],
  },
  {
    name: 'no-request-scope',
    selectors: ['MemberExpression[object.name="Scope"][property.name="REQUEST"]'],
    message: 'Request scope rebuilds the provider tree on every request; pass the caller as an argument.',
    allowedIn: [],
  },
  {
    name: 'no-synchronize',
    selectors: [
      'Property[key.name="synchronize"][value.value=true]',
      'Property[key.value="synchronize"][value.value=true]',
    ],
    message: 'The schema changes by migrations only: synchronize drops columns with their data.',
    allowedIn: [],
  },
  {
    name: 'no-child-process',
    selectors: [
      'ImportDeclaration[source.value=/^(node:)?child_process$/]',
      'ImportExpression[source.value=/^(node:)?child_process$/]',
      'ExportNamedDeclaration[source.value=/^(node:)?child_process$/]',
      'CallExpression[callee.name="require"][arguments.0.value=/^(node:)?child_process$/]',
    ],
    message: 'Processes are spawned by apps/runner: a spawn blocks the big server process for its whole page table.',
    allowedIn: [
      'apps/runner/**',
      'apps/cli/**',
      'libs/platform/src/database/embedded/**',
      'libs/platform/src/runners/**',
      ...TESTS,
      ...TOOLING,
    ],
  },
  {
    name: 'max-constructor-params',
    selectors: ['MethodDefinition[kind="constructor"] > FunctionExpression[params.length>8]'],
    message: 'More than 8 constructor parameters: this class does too much, split it.',
    allowedIn: [],
  },
  {
    name: 'max-params',
    selectors: [
      'FunctionDeclaration[params.length>5]',
      'ArrowFunctionExpression[params.length>5]',
      ':not(MethodDefinition[kind="constructor"]) > FunctionExpression[params.length>5]',
    ],
    message: 'More than 5 parameters: take an options object.',
    allowedIn: [],
  },
];

const maxFunctionLines = { max: 60 };

const roundhouse = {
  rules: {
    ...Object.fromEntries(BANS.map(({ name, selectors, message }) => [name, banned(selectors, message)])),
    'max-lines-per-function': exceptDescribe(builtinRules.get('max-lines-per-function')),
  },
};

export default defineConfig(
  { ignores: ['dist/', 'data/', 'coverage/', 'openapi/', '.tmp/', 'test/architecture/planted/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    plugins: { roundhouse },
    rules: {
      ...Object.fromEntries(BANS.map(({ name }) => [`roundhouse/${name}`, 'error'])),
      'roundhouse/max-lines-per-function': ['error', maxFunctionLines],
      complexity: ['error', 15],
      eqeqeq: 'error',
      'max-lines': ['error', 400],
      'no-empty': ['error', { allowEmptyCatch: false }],
      'no-var': 'error',
      'prefer-const': 'error',
    },
  },
  ...BANS.filter(({ allowedIn }) => allowedIn.length > 0).map(({ name, allowedIn }) => ({
    files: allowedIn,
    rules: { [`roundhouse/${name}`]: 'off' },
  })),
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommended],
    languageOptions: {
      parserOptions: { project: './tsconfig.check.json', tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true },
      ],
    },
  },
);
