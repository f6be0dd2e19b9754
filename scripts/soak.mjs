// `npm run soak`: the crash test at full length. ROUNDS is the number of cycles, SEED repeats a plan.
import { join } from 'node:path';
import { projectNode, ROOT, runProgram, setUp } from './set-up.mjs';

const ROUNDS = '320';

await setUp();
const jest = [join(ROOT, 'node_modules/jest/bin/jest.js'), '--selectProjects', 'e2e', '--runInBand', '--verbose=false'];
process.exitCode = await runProgram(projectNode(), [...jest, 'test/e2e/crash.e2e-spec.ts'], {
  env: {
    ROUNDS: process.env.ROUNDS || ROUNDS,
    NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --experimental-vm-modules`.trim(),
  },
});
