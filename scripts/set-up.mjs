// What has to be there before anything of the project runs: its packages (with its own Node) and its build.
// Runs on the machine's Node (20.19 or newer) with nothing but the standard library.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const OLDEST_NODE = [20, 19];
const PROJECT_NODE = 24;
const OWN_NODE = join(ROOT, 'node_modules/node/bin/node');
const STAMP = join(ROOT, 'dist/.stamp');
const SOURCES = ['apps', 'libs', 'ormconfig.ts', 'package.json', 'package-lock.json', 'tsconfig.json', 'nest-cli.json'];
const ONE_WISH_MS = 1_000;

/** Installs and builds what is missing; costs some milliseconds when nothing is. */
export async function setUp() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
    fail(`Node ${OLDEST_NODE.join('.')} or newer is needed to start with, this is ${process.version}.`);
  }
  if (!isInstalled()) await install();
  if (!existsSync(projectNode())) await installNode();
  if (!isBuilt()) await build();
}

/** Whether dist/ was made of the sources as they are. */
export function isBuilt() {
  return existsSync(STAMP) && readFileSync(STAMP, 'utf8') === sourceStamp();
}

/** The Node that runs the project: this one when it is new enough, else the one that npm installed. */
export function projectNode() {
  return runsOnProjectNode() ? process.execPath : OWN_NODE;
}

export function runsOnProjectNode() {
  return Number.parseInt(process.versions.node, 10) >= PROJECT_NODE;
}

/**
 * Runs a program to its end and resolves to its exit code (128 + n after signal n). SIGINT and SIGTERM are passed on;
 * the copies that npm and the terminal send along with the first are not.
 */
export function runProgram(program, args, options = {}) {
  const bin = join(ROOT, 'node_modules/.bin');
  const env = { ...process.env, ...options.env, PATH: bin + delimiter + process.env.PATH };
  const child = spawn(program, args, { cwd: options.cwd ?? ROOT, stdio: options.stdio ?? 'inherit', env });
  let lastSignalAt = -Infinity;
  const forward = (signal) => {
    if (Date.now() - lastSignalAt <= ONE_WISH_MS) return;
    lastSignalAt = Date.now();
    child.kill(signal);
  };
  process.on('SIGINT', forward).on('SIGTERM', forward);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      process.off('SIGINT', forward).off('SIGTERM', forward);
      resolve(code ?? 128 + constants.signals[signal]);
    });
  });
}

/** True when every package of package-lock.json is in node_modules in its version, whatever the files' times say. */
function isInstalled() {
  const modules = join(ROOT, 'node_modules');
  const installedLock = join(modules, '.package-lock.json');
  if (!existsSync(installedLock)) return false;
  // A linked folder is installed by whoever owns it.
  if (lstatSync(modules).isSymbolicLink()) return true;
  const wanted = packagesOf(join(ROOT, 'package-lock.json'));
  const installed = packagesOf(installedLock);
  return Object.entries(wanted).every(([path, { version, optional, devOptional }]) => {
    if (path === '') return true;
    const there = installed[path];
    // npm leaves out optional packages made for other machines.
    return there === undefined ? optional === true || devOptional === true : there.version === version;
  });
}

function packagesOf(lockFile) {
  return JSON.parse(readFileSync(lockFile, 'utf8')).packages;
}

async function install() {
  console.log('Installing packages.');
  // Some npm 11 releases refuse a lock file that leaves out optional packages of other platforms; `npm install` keeps
  // to the same locked versions. It also says what is wrong when the cause is another one.
  if ((await npm('ci', 'ignore')) === 0) return;
  const code = await npm('install', 'inherit', '--no-save');
  if (code !== 0) fail('The packages could not be installed.', code);
}

function npm(command, stderr, ...extra) {
  const args = [
    command,
    '--include=dev',
    '--include=optional',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
    ...extra,
  ];
  const options = { stdio: ['ignore', 'inherit', stderr] };
  // Under npm, the same npm: it may not be in PATH.
  const { npm_execpath: path } = process.env;
  return path ? runProgram(process.execPath, [path, ...args], options) : runProgram('npm', args, options);
}

/** npm's `node` package fetches its program in an install script, which the user's settings may have held back. */
async function installNode() {
  console.log(`Installing Node ${PROJECT_NODE}.`);
  const folder = join(ROOT, 'node_modules/node');
  const code = await runProgram(process.execPath, [join(folder, 'installArchSpecificPackage.js')], { cwd: folder });
  if (code !== 0 || !existsSync(OWN_NODE)) fail(`Node ${PROJECT_NODE} could not be installed.`, code || 1);
}

async function build() {
  console.log('Building.');
  const stamp = sourceStamp();
  const code = await runProgram(projectNode(), [join(ROOT, 'node_modules/@nestjs/cli/bin/nest.js'), 'build']);
  if (code !== 0) fail('The build failed.', code);
  writeFileSync(STAMP, stamp);
}

/** A hash over the names and contents of everything the build reads. */
function sourceStamp() {
  const hash = createHash('sha1');
  const add = (path) => {
    const full = join(ROOT, path);
    const kind = lstatSync(full, { throwIfNoEntry: false });
    if (kind?.isDirectory()) {
      for (const name of readdirSync(full).sort()) add(`${path}/${name}`);
    } else if (kind?.isFile() && !/[.-]spec\.ts$/.test(path)) {
      const content = readFileSync(full);
      hash.update(`${path}\0${content.length}\0`).update(content);
    }
  };
  for (const source of SOURCES) add(source);
  return hash.digest('hex');
}

function fail(message, code = 1) {
  console.error(message);
  process.exit(code);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await setUp();
