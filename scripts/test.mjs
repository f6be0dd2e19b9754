// `npm test`: installs and builds what is missing, runs every jest project, ends with one line `N passed, N failed`.
// Arguments go to jest, e.g. `npm test -- --selectProjects unit`.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { projectNode, ROOT, runProgram, setUp } from './set-up.mjs';
import { installSystemPackages } from './system-packages.mjs';

/** One more than the cores that are at hand at the least: tests often wait for another process, or for a second to pass. */
const WORKERS = 3;

await setUp();
await installSystemPackages();
const folder = mkdtempSync(join(tmpdir(), 'roundhouse-results-'));
const file = join(folder, 'results.json');
const jest = [join(ROOT, 'node_modules/jest/bin/jest.js'), `--maxWorkers=${WORKERS}`, '--json', `--outputFile=${file}`];
const code = await runProgram(projectNode(), [...jest, ...process.argv.slice(2)], {
  env: {
    NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --experimental-vm-modules`.trim(),
    // For the many processes that the tests start.
    NODE_COMPILE_CACHE: join(ROOT, 'node_modules/.cache/compiled'),
  },
});
const { passed, failed } = count(file);
rmSync(folder, { recursive: true });

// Jest may also fail around the tests: no test found, set-up or teardown broken.
const reported = code !== 0 && failed === 0 ? 1 : failed;
console.log(`${passed} passed, ${reported} failed`);
process.exitCode = reported === 0 ? 0 : 1;

/** A suite that could not run counts as one failed test. */
function count(results) {
  try {
    const { numPassedTests, numFailedTests, numRuntimeErrorTestSuites } = JSON.parse(readFileSync(results, 'utf8'));
    return { passed: numPassedTests, failed: numFailedTests + numRuntimeErrorTestSuites };
  } catch (error) {
    if (error.code === 'ENOENT') return { passed: 0, failed: 0 };
    throw error;
  }
}
