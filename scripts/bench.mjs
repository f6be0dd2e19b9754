// `npm run bench`: builds what is missing and measures Roundhouse against git. Arguments go to bench/run.mjs.
import { join } from 'node:path';
import { projectNode, ROOT, runProgram, setUp } from './set-up.mjs';

await setUp();
process.exit(await runProgram(projectNode(), [join(ROOT, 'bench/run.mjs'), ...process.argv.slice(2)]));
