// Measures a running server against git, side by side. Options: --only commits,writers,search … · --pairs N · --profile FOLDER · --record
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, loadavg, release } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { packageRoot } from '#kernel';
import { Report } from './report.mjs';
import { measureAccess } from './sections/access.mjs';
import { measureCommits } from './sections/commits.mjs';
import { measureDelay } from './sections/delay.mjs';
import { measureNeighbours } from './sections/neighbours.mjs';
import { measurePush } from './sections/push.mjs';
import { measureReads } from './sections/reads.mjs';
import { measureSandboxes } from './sections/sandboxes.mjs';
import { measureSearch } from './sections/search.mjs';
import { measureTransport } from './sections/transport.mjs';
import { measureWriters } from './sections/writers.mjs';
import { ServerProcess } from './server-process.mjs';
import { Yardstick } from './yardstick.mjs';

const SECTIONS = {
  commits: measureCommits,
  writers: measureWriters,
  reads: measureReads,
  transport: measureTransport,
  access: measureAccess,
  delay: measureDelay,
  push: measurePush,
  search: measureSearch,
  neighbours: measureNeighbours,
  sandboxes: measureSandboxes,
};
const CONNECTIONS = 16;
const START = '<!-- prettier-ignore-start -->';
const END = '<!-- prettier-ignore-end -->';

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    pairs: { type: 'string', default: '50' },
    profile: { type: 'string' },
    record: { type: 'boolean' },
  },
});
const wanted = options.only?.split(',') ?? Object.keys(SECTIONS);
// Not the system's temporary folder, which may lie in memory: syncing is part of what is measured.
const scratch = join(packageRoot(), '.tmp');
mkdirSync(scratch, { recursive: true });
const folder = mkdtempSync(join(scratch, 'bench-'));
const report = new Report();
const opened = [];
try {
  console.log('Starting a server with its embedded database.');
  const server = await ServerProcess.start(folder, options.profile);
  opened.push(server);
  const yardstick = await Yardstick.start(folder);
  opened.push(yardstick);
  const client = await server.signUp(CONNECTIONS);
  for (const name of wanted) {
    console.log(`\n${name}`);
    await SECTIONS[name]({ server, yardstick, client, report, pairs: Number(options.pairs) });
  }
  client.close();
  report.printTable();
  const results = join(packageRoot(), 'bench/results');
  mkdirSync(results, { recursive: true });
  const machine = { node: process.version, cpu: cpus()[0]?.model, cores: availableParallelism(), kernel: release() };
  const facts = { at: new Date().toISOString(), ...machine, arch: arch(), load: loadavg(), rows: report.rows };
  writeFileSync(join(results, 'latest.json'), `${JSON.stringify(facts, null, 2)}\n`);
  if (options.record) record(join(packageRoot(), 'docs/performance.md'), facts);
} finally {
  for (const thing of opened.reverse()) await thing.stop();
  rmSync(folder, { recursive: true, force: true });
}

/** Puts the table between the marks of the document. */
function record(file, { at, node, cpu, cores, load }) {
  const where = `${at.slice(0, 10)}, Node ${node}, ${cores} cores (${cpu}), load ${load[0].toFixed(1)} at the end:`;
  const text = readFileSync(file, 'utf8');
  const [before, rest] = text.split(START);
  const after = rest.split(END)[1];
  writeFileSync(file, `${before}${START}\n\n${where}\n\n${report.markdown()}\n\n${END}${after}`);
}
