// Programs of the system that tests and sandboxes need: installed where this is root on a machine with apt, best effort.
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runProgram } from './set-up.mjs';

/** Program, and the Debian package that brings it. */
const PROGRAMS = { git: 'git', bwrap: 'bubblewrap', 'redis-server': 'redis-server' };

/** One of these will do to look at pages with. */
const BROWSERS = ['chromium', 'chromium-browser', 'google-chrome'];
/** Debian's: elsewhere the package of that name is none of apt's own. The largest by far: what is slow to come stays away. */
const BROWSER = 'chromium';
const FETCH_SECONDS = '60';
const OPTIONS = { stdio: 'ignore', env: { DEBIAN_FRONTEND: 'noninteractive' } };

/** What stays missing is named by the tests that need it, or fails there. */
export async function installSystemPackages() {
  if (process.getuid?.() !== 0 || !isInPath('apt-get')) return;
  const packages = Object.keys(PROGRAMS).flatMap((program) => (isInPath(program) ? [] : [PROGRAMS[program]]));
  const needsBrowser = !BROWSERS.some(isInPath) && isDebian();
  if (packages.length === 0 && !needsBrowser) return;
  console.log(`Installing ${[...packages, ...(needsBrowser ? [BROWSER] : [])].join(', ')}.`);
  await runProgram('timeout', [FETCH_SECONDS, 'apt-get', 'update', '-qq'], OPTIONS);
  if (packages.length > 0 && !(await install(packages))) warnOf(packages);
  if (needsBrowser && !((await fetchInTime(BROWSER)) && (await install([BROWSER])))) warnOf([BROWSER]);
}

async function install(packages) {
  const args = ['install', '-y', '-qq', '--no-install-recommends', ...packages];
  return (await runProgram('apt-get', args, OPTIONS)) === 0;
}

/** Only fetching is cut short: an installation that is would be half of one. */
async function fetchInTime(name) {
  const args = ['install', '-y', '-qq', '--no-install-recommends', '--download-only', name];
  return (await runProgram('timeout', [FETCH_SECONDS, 'apt-get', ...args], OPTIONS)) === 0;
}

function isDebian() {
  const about = '/etc/os-release';
  return existsSync(about) && /^ID=debian$/m.test(readFileSync(about, 'utf8'));
}

function warnOf(packages) {
  console.warn(`${packages.join(', ')} could not be installed; what needs them is not tested.`);
}

function isInPath(program) {
  return process.env.PATH.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await installSystemPackages();
