// `npm run soak`: the crash test, every randomised test and the largest push, at full length. ROUNDS is the number of
// crash cycles, RANDOM_ROUNDS that of the randomised tests, SEED repeats a plan.
import { join } from 'node:path';
import { projectNode, ROOT, runProgram, setUp } from './set-up.mjs';

const ROUNDS = '320';
const RANDOM_ROUNDS = '4000';
const RANDOMISED =
  'store/(properties|corruption|maintenance)|commit-request/(random-requests|parse-commit-request|surgical-edit)' +
  '|smart-http/(protocol|push-protocol)|path-rules|ref-names|commit-fuzz';
/** Each round pushes an archive and asks every route about it. */
const CAPTURED_ROUNDS = '400';
/** Each writes to a sandbox, then pauses and resumes it, or takes and restores a snapshot; or six do anything at once. */
const SANDBOX_ROUNDS = '1000';

await setUp();
const jest = [join(ROOT, 'node_modules/jest/bin/jest.js'), '--runInBand', '--verbose=false'];
const crash = await run(['--selectProjects', 'e2e', '--testPathPatterns', 'e2e/crash'], process.env.ROUNDS || ROUNDS);
const random = await run(
  ['--selectProjects', 'unit', 'e2e', '--testTimeout', '1200000', '--testPathPatterns', RANDOMISED],
  process.env.RANDOM_ROUNDS || RANDOM_ROUNDS,
);
const captured = await run(
  ['--selectProjects', 'e2e', '--testTimeout', '1200000', '--testPathPatterns', 'captured-(memory|fuzz)'],
  process.env.RANDOM_ROUNDS || CAPTURED_ROUNDS,
  { PUSH_MEGABYTES: '299' },
);
const sandboxes = await run(
  ['--selectProjects', 'e2e', '--testTimeout', '1200000', '--testPathPatterns', 'sandbox-(cycles|crash|storm)'],
  process.env.RANDOM_ROUNDS || SANDBOX_ROUNDS,
);
process.exitCode = crash || random || captured || sandboxes;

function run(what, rounds, more = {}) {
  const NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ''} --experimental-vm-modules`.trim();
  return runProgram(projectNode(), [...jest, ...what], { env: { ROUNDS: rounds, NODE_OPTIONS, ...more } });
}
