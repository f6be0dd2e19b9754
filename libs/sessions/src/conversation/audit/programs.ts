import type { Action } from '../tool-actions.js';
import type { ShellSegment } from '../shell-words.js';
import { isInstall } from '../packages.js';

/** What a command can show about the project. `opaque` may be anything: a script of the project, a generator. */
export type Role =
  | 'test'
  | 'build'
  | 'typecheck'
  | 'lint'
  | 'format'
  | 'migration'
  | 'benchmark'
  | 'deploy'
  | 'install'
  | 'server'
  | 'http'
  | 'git'
  | 'view'
  | 'files'
  | 'nothing'
  | 'opaque';

const roles = (role: Role, names: string): readonly (readonly [string, Role])[] =>
  names.split(' ').map((name) => [name, role]);

const PROGRAMS: ReadonlyMap<string, Role> = new Map<string, Role>([
  ...roles(
    'test',
    'jest vitest mocha pytest py.test tox nox rspec phpunit ctest karma ava tap playwright cypress nosetests bats gotestsum pest behave newman',
  ),
  ...roles('typecheck', 'tsc vue-tsc mypy pyright pyre flow'),
  ...roles(
    'lint',
    'eslint ruff flake8 pylint rubocop golangci-lint shellcheck stylelint biome oxlint hadolint yamllint ktlint swiftlint phpstan bandit',
  ),
  ...roles('format', 'prettier black isort gofmt rustfmt autopep8 clang-format'),
  ...roles(
    'build',
    'webpack vite esbuild rollup next ng cmake ninja gcc g++ clang javac rustc swiftc tsup turbo nx docker-build msbuild xcodebuild nest',
  ),
  ...roles('migration', 'alembic prisma knex typeorm sequelize flyway liquibase diesel dbmate drizzle-kit goose'),
  ...roles('benchmark', 'hyperfine wrk ab autocannon k6 criterion'),
  ...roles(
    'deploy',
    'kubectl helm terraform fly flyctl vercel netlify heroku serverless pulumi ansible-playbook gcloud aws az wrangler',
  ),
  ...roles('http', 'curl wget http https xh httpie'),
  ...roles(
    'view',
    'cat less more head tail grep rg egrep ag sed awk ls find wc sort uniq cut jq yq bat diff tree file stat du df xxd tr column ps pgrep top lsof netstat ss which whereis type psql sqlite3 mysql redis-cli',
  ),
  ...roles('files', 'rm mv cp mkdir touch chmod chown ln tee rmdir unlink tar unzip zip gzip'),
  ...roles(
    'nothing',
    'cd echo printf export set unset source . sleep true false exit pwd date env test [ [[ : wait kill pkill read alias history whoami hostname uname fi done else if for while in esac',
  ),
  ...roles('git', 'git gh glab hub'),
]);

/** What scripts and make targets are called, whoever runs them. One name may mean several things. */
const SCRIPT_NAMES: readonly (readonly [RegExp, readonly Role[]])[] = [
  [
    /^(check|ci|verify|validate|all|preversion|prepublish|pre-?commit|qa)(:|$)/,
    ['test', 'lint', 'typecheck', 'build', 'format'],
  ],
  [/test|spec|e2e|jest|vitest|cypress|playwright|coverage/, ['test']],
  [/lint/, ['lint']],
  [/type|tsc/, ['typecheck']],
  [/format|prettier|fmt/, ['format']],
  [/build|compile|bundle|package|dist/, ['build']],
  [/migrat|^db:/, ['migration']],
  [/bench|perf/, ['benchmark']],
  [/deploy|release|publish/, ['deploy']],
  [/^(start|dev|serve|server|preview|up)(:|$)/, ['server']],
];

function scriptRoles(name: string | undefined): readonly Role[] {
  if (name === undefined) return ['opaque'];
  return SCRIPT_NAMES.find(([pattern]) => pattern.test(name))?.[1] ?? ['opaque'];
}

const SUBCOMMANDS: Readonly<Record<string, Readonly<Record<string, readonly Role[]>>>> = {
  go: {
    test: ['test'],
    build: ['build'],
    vet: ['lint'],
    fmt: ['format'],
    mod: ['install'],
    get: ['install'],
    install: ['build'],
  },
  cargo: {
    test: ['test'],
    nextest: ['test'],
    build: ['build'],
    check: ['build', 'typecheck'],
    clippy: ['lint'],
    fmt: ['format'],
    bench: ['benchmark'],
  },
  dotnet: { test: ['test'], build: ['build'], format: ['format'], restore: ['install'] },
  deno: { test: ['test'], lint: ['lint'], check: ['typecheck'], fmt: ['format'] },
  swift: { test: ['test'], build: ['build'] },
  mix: { test: ['test'], compile: ['build'], format: ['format'] },
  flutter: { test: ['test'], build: ['build'], analyze: ['lint'] },
  docker: { build: ['build'], compose: ['server'], run: ['opaque'], ps: ['view'], logs: ['view'] },
  rails: { test: ['test'], 'db:migrate': ['migration'], server: ['server'] },
  rake: { test: ['test'], spec: ['test'], 'db:migrate': ['migration'] },
};

const RUNS_SCRIPTS = new Set([
  'npm',
  'pnpm',
  'yarn',
  'bun',
  'make',
  'just',
  'task',
  'composer',
  'gradle',
  'gradlew',
  'mvn',
  'mvnw',
  'poe',
  'invoke',
]);
const INTERPRETERS = /^(python[\d.]*|node|ruby|php|perl|deno|tsx|ts-node|bash|sh|zsh|java)$/;

const nameOf = (word: string | undefined): string => (word ?? '').split('/').at(-1) ?? '';

/** What one simple command can show. */
export function rolesOf(segment: ShellSegment): readonly Role[] {
  if (isInstall(segment)) return ['install'];
  const [first, ...rest] = segment.words;
  const program = nameOf(first);
  const names = rest.filter((word) => !word.startsWith('-') && !word.includes('='));
  if (program === '') return ['nothing'];
  const subcommand = SUBCOMMANDS[program]?.[names[0] ?? ''];
  if (subcommand !== undefined) return subcommand;
  if (RUNS_SCRIPTS.has(program)) return runnerRoles(program, names);
  if (INTERPRETERS.test(program)) return interpreterRoles(rest, names);
  if (program === 'vite' || program === 'next' || program === 'ng') return scriptRoles(names[0] ?? 'dev');
  const known = PROGRAMS.get(program);
  return known === undefined ? scriptRoles(/\.sh$|^\.\//.test(first ?? '') ? program : undefined) : [known];
}

function runnerRoles(program: string, names: readonly string[]): readonly Role[] {
  const targets = names.filter((name) => name !== 'run' && name !== 'run-script' && name !== 'exec');
  if (/^(mvn|gradle)/.test(program)) {
    const goals = targets.join(' ');
    return /test|verify|install|build|package|check/.test(goals) ? ['test', 'build'] : ['build'];
  }
  if (targets.length === 0) return program === 'make' ? ['build', 'opaque'] : ['nothing'];
  if (names[0] === 't') return ['test'];
  return [...new Set(targets.slice(0, 3).flatMap(targetRoles))];
}

/** What is no known script name may be a program: `yarn jest`. */
function targetRoles(target: string): readonly Role[] {
  const known = scriptRoles(target);
  const program = PROGRAMS.get(target);
  return known[0] === 'opaque' && program !== undefined ? [program] : known;
}

function interpreterRoles(rest: readonly string[], names: readonly string[]): readonly Role[] {
  const module = rest[0] === '-m' ? rest[1] : undefined;
  if (module !== undefined)
    return /^(pytest|unittest|nose)/.test(module) ? ['test'] : [PROGRAMS.get(module) ?? 'opaque'];
  if (rest.some((word) => word === '--test')) return ['test'];
  if (/manage\.py$/.test(names[0] ?? '')) return scriptRoles(names[1]);
  return [...new Set<Role>([...scriptRoles(nameOf(names[0])), 'opaque'])];
}

/** Tools that neither change the project nor run anything in it. */
const HARMLESS_TOOLS =
  /todo|plan|think|memory|web|fetch|browse|search|ask|question|screenshot|notebookread|list|get|read|view|status|kill|bashoutput|skill|resource/i;

/** What a whole call can show. */
export function actionRoles(action: Action): ReadonlySet<Role> {
  switch (action.kind) {
    case 'command':
      return new Set(action.segments.flatMap(rolesOf));
    case 'write':
      return new Set(['files']);
    case 'read':
    case 'search':
      return new Set(['view']);
    case 'agent':
      return new Set(['opaque']);
    case 'other':
      return new Set([/test/i.test(action.tool) ? 'test' : HARMLESS_TOOLS.test(action.tool) ? 'view' : 'opaque']);
  }
}
