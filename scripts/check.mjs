// Every static check of the project: `npm run check`. One line per check, the output of the failed ones at the end.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const AT_ONCE = 2;

const existing = (...names) => names.filter((name) => existsSync(join(ROOT, name)));

/** The documents in openapi/, the server's own contract. */
const documents = existing('openapi').flatMap((folder) =>
  readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith('.json'))
    .map((name) => `${folder}/${name}`),
);
const openapiProgram = 'dist/apps/server/src/openapi.js';

// A registry host in the lockfile or a path of somebody's machine works for its author only. In tests and docs a
// path may be an example; this file has to name what it looks for.
const MACHINE_TEXT = String.raw`"resolved": *"http|https?://registry\.|(^|[^A-Za-z0-9_.:/-])/(home|root)/`;
const MAY_NAME_PATHS = ['test', 'docs', 'libs/*.spec.ts', 'libs/*.int-spec.ts', 'apps/*.spec.ts', 'scripts/check.mjs'];

const checks = [
  { name: 'format', command: ['prettier', '--check', '--log-level', 'warn', '.'] },
  { name: 'types', command: ['tsc', '-p', 'tsconfig.check.json'] },
  { name: 'lint', command: ['eslint', '--max-warnings', '0', '.'] },
  {
    name: 'imports',
    command: [
      'depcruise',
      '--config',
      '.dependency-cruiser.mjs',
      ...existing('apps', 'libs', 'test', 'bench', 'ormconfig.ts'),
    ],
  },
  {
    name: 'machine paths',
    command: ['git', 'grep', '-nIE', MACHINE_TEXT, '--', '.', ...MAY_NAME_PATHS.map((path) => `:!${path}`)],
    // git grep exits with 1 when nothing matched.
    passes: 1,
  },
  ...(documents.length > 0 ? [{ name: 'openapi lint', command: ['redocly', 'lint', ...documents] }] : []),
  ...(existsSync(join(ROOT, openapiProgram))
    ? [{ name: 'openapi is current', command: ['node', openapiProgram, '--check'] }]
    : []),
];

/** Runs one command from the root with the project's own Node and programs first in PATH. */
function run([program, ...args]) {
  const env = {
    ...process.env,
    PATH: join(ROOT, 'node_modules/.bin') + delimiter + process.env.PATH,
    REDOCLY_TELEMETRY: 'off',
    REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true',
  };
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const chunks = [];
    child.stdout.on('data', (chunk) => chunks.push(chunk));
    child.stderr.on('data', (chunk) => chunks.push(chunk));
    child.on('error', (error) => resolve({ code: -1, output: String(error) }));
    child.on('close', (code, signal) => resolve({ code: code ?? signal, output: Buffer.concat(chunks).toString() }));
  });
}

const failures = [];
const waiting = [...checks];

async function work() {
  for (let check = waiting.shift(); check !== undefined; check = waiting.shift()) {
    const started = performance.now();
    const { code, output } = await run(check.command);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    const passed = code === (check.passes ?? 0);
    if (!passed) failures.push({ name: check.name, output });
    console.log(`${passed ? 'ok    ' : 'FAILED'} ${check.name.padEnd(20)} ${seconds.padStart(6)} s`);
  }
}

await Promise.all(Array.from({ length: AT_ONCE }, work));

for (const { name, output } of failures) console.log(`\n── ${name}\n${output.trimEnd()}`);
process.exitCode = failures.length === 0 ? 0 : 1;
