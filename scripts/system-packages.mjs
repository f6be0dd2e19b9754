// Programs of the system that tests and sandboxes need: installed where this is root on a machine with apt, best effort.
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runProgram } from './set-up.mjs';

/** Program, and the Debian package that brings it. */
const PROGRAMS = { git: 'git', bwrap: 'bubblewrap', 'redis-server': 'redis-server' };

/** What stays missing is named by the tests that need it, or fails there. */
export async function installSystemPackages() {
  const missing = Object.keys(PROGRAMS).filter((program) => !isInPath(program));
  if (missing.length === 0 || process.getuid?.() !== 0 || !isInPath('apt-get')) return;
  const packages = missing.map((program) => PROGRAMS[program]);
  console.log(`Installing ${packages.join(', ')}.`);
  const options = { stdio: 'ignore', env: { DEBIAN_FRONTEND: 'noninteractive' } };
  await runProgram('apt-get', ['update', '-qq'], options);
  const code = await runProgram('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], options);
  if (code !== 0) console.warn(`${packages.join(', ')} could not be installed; what needs them is not tested.`);
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
