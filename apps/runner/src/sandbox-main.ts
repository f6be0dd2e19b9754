import { parseArgs } from 'node:util';
import { createSandboxServer } from './sandbox-server.js';
import { OfferedBubblewrap } from './sandboxes/offered-bubblewrap.js';

/**
 * The sandbox runner: a small process of its own, beside the one that runs git. It belongs to the server that holds its
 * standard input open, and goes, every sandbox included, when that pipe closes for whatever reason.
 */
const { values } = parseArgs({
  options: {
    socket: { type: 'string' },
    /** The folder of all workspaces, and where else it may be found if this process has a name space for that. */
    workspaces: { type: 'string' },
    window: { type: 'string' },
    /** As whom sandboxes run if this process is root. */
    uid: { type: 'string' },
  },
});
const { socket, workspaces, window = null, uid } = values;
if (!socket || !workspaces || !uid)
  throw new Error('usage: sandbox-main --socket PATH --workspaces FOLDER [--window FOLDER] --uid N');

/** What cannot be ended in that time ends with this process, which is the parent of it all. */
const LEAVE_MS = 3_000;

// Ctrl-C reaches the whole terminal group, yet the server still needs sandboxes while it drains.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
for (const event of ['end', 'close', 'error'] as const) process.stdin.on(event, leave);
process.stdin.resume();
process.stdout.on('error', leave);

const offered = new OfferedBubblewrap({
  searchPath: process.env['PATH'] ?? '/usr/bin:/bin',
  workspaces,
  window,
  uid: Number(uid),
});
createSandboxServer(offered).listen(socket, () => process.stdout.write('ready\n'));

function leave(): void {
  setTimeout(() => process.exit(1), LEAVE_MS);
  void offered.close().finally(() => process.exit(0));
}
