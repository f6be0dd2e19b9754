import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { signUp } from '../support/client.js';
import { Journal, RepoNotes } from './journal.js';
import { Random } from './random.js';
import { ServerProcess } from './server-process.js';
import { Verification } from './verify.js';
import { Workload } from './workload.js';

const CATCH_UP_MS = 30_000;
const SURVIVOR_MS = 1_000;

/**
 * Two servers on one database and folder; the first dies inside a projection while both are written to. Nobody writes
 * to its repositories again: the second has to notice by itself. Resolves to what is wrong afterwards.
 */
export async function loseOneOfTwo(databaseUrl: string): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'roundhouse-two-'));
  const dataDir = join(folder, 'data');
  mkdirSync(dataDir);
  const journal = new Journal(join(folder, 'journal.jsonl'));
  const survivor = ServerProcess.spawn({ dataDir, databaseUrl });
  let victim: ServerProcess | undefined;
  try {
    if (!(await survivor.ready())) throw new Error(survivor.output);
    victim = ServerProcess.spawn({ dataDir, databaseUrl, fault: 'projector.before-refs:6' });
    if (!(await victim.ready())) throw new Error(victim.output);
    const account = await signUp(survivor);
    const targetOf = (url: string) => ({ url, key: account.key!, accountSlug: account.slug, gitHttp: true });

    const doomed = new Workload(targetOf(victim.url), journal, new Random(1));
    const dying = write(doomed);
    const living = new Workload(targetOf(survivor.url), journal, new Random(2));
    const rest = write(living);
    const died = await victim.diesWithin(CATCH_UP_MS);
    doomed.stop();
    await dying;
    const behind = await countBehind(databaseUrl);
    await sleep(SURVIVOR_MS);
    living.stop();
    await rest;
    await untilCaughtUp(databaseUrl);

    const target = targetOf(survivor.url);
    const verification = new Verification({ target, journal, dataDir, databaseUrl, afterTree: false, cloned: null });
    await verification.run();
    if (!died) verification.problems.push('the first server did not reach its fault point');
    if (behind === 0) verification.problems.push('the first server left nothing to catch up with');
    if (journal.failures > 0) verification.problems.push(`the second server answered 5xx ${journal.failures} times`);
    return verification.problems;
  } finally {
    await victim?.kill();
    await survivor.stop();
    journal.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function write(workload: Workload): Promise<void> {
  const { journal } = workload;
  const [busy, calm] = ['busy', 'calm'].map((kind) => new RepoNotes(journal.nextId(kind), 'creating', false));
  for (const repo of [busy!, calm!]) await workload.createRepo(repo);
  await workload.run(busy!, calm!);
}

async function untilCaughtUp(databaseUrl: string): Promise<void> {
  const until = Date.now() + CATCH_UP_MS;
  while ((await countBehind(databaseUrl)) > 0 && Date.now() < until) await sleep(100);
}

async function countBehind(databaseUrl: string): Promise<number> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    return (await client.query('select from ref_sync')).rowCount ?? 0;
  } finally {
    await client.end();
  }
}
