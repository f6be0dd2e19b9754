// `npm start`: installs and builds what is missing, then `roundhouse start`.
import { join } from 'node:path';
import { projectNode, ROOT, runProgram, runsOnProjectNode, setUp } from './set-up.mjs';

const cli = join(ROOT, 'dist/apps/cli/src/main.js');
const args = ['start', ...process.argv.slice(2)];

await setUp();
if (runsOnProjectNode()) {
  // The server lives in this very process: no other one to pass signals to, or to outlive.
  process.argv = [process.execPath, cli, ...args];
  await import(cli);
} else {
  process.exit(await runProgram(projectNode(), [cli, ...args], { cwd: process.cwd() }));
}
