import { parseArgs } from 'node:util';
import { armFaultPoint, parseFault } from '#kernel';
import { killAllGitChildren } from './git-child.js';
import { createRunnerServer } from './runner-server.js';

/**
 * The git runner: a small process, because starting git from a large one stalls it. It belongs to the server that
 * holds its standard input open, and goes, git children included, when that pipe closes for whatever reason.
 */
const { values } = parseArgs({
  options: {
    socket: { type: 'string' },
    root: { type: 'string' },
    workspaces: { type: 'string' },
    bench: { type: 'boolean', default: false },
    'ca-file': { type: 'string' },
    fault: { type: 'string' },
  },
});
if (!values.socket || !values.root)
  throw new Error('usage: runner --socket PATH --root FOLDER [--workspaces FOLDER] [--bench] [--ca-file FILE]');

if (values.fault !== undefined) {
  const { point, nth } = parseFault(values.fault);
  armFaultPoint(point, nth);
}
// Ctrl-C reaches the whole terminal group, yet the server still needs git while it drains.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
for (const event of ['end', 'close', 'error'] as const) process.stdin.on(event, leave);
process.stdin.resume();
process.stdout.on('error', leave);

const server = createRunnerServer({
  root: values.root,
  workspaces: values.workspaces ?? null,
  bench: values.bench,
  caFile: values['ca-file'] ?? null,
  searchPath: process.env['PATH'] ?? '/usr/bin:/bin',
});
server.listen(values.socket, () => process.stdout.write('ready\n'));

function leave(): void {
  killAllGitChildren();
  process.exit(0);
}
