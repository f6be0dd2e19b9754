import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FAULT_POINTS, type FaultPoint } from '../../libs/kernel/src/index.js';
import { findRunningDatabase } from '../../libs/platform/src/index.js';
import { Client } from '../support/client.js';
import { Journal, RepoNotes } from './journal.js';
import type { Random } from './random.js';
import { ServerProcess } from './server-process.js';
import { Verification } from './verify.js';
import { type Target, Unanswered } from './target.js';
import { Workload } from './workload.js';

/** `server`: the server process alone; `tree`: everything below it too, an embedded database included. */
export type Kill = 'server' | 'tree' | FaultPoint;

export interface Tally {
  cycles: number;
  readonly kills: { server: number; tree: number; fault: number };
  readonly hits: Map<FaultPoint, number>;
  acknowledged: number;
  verified: number;
  failures: number;
  readonly retries: Journal['retries'];
  starts: number;
  startMilliseconds: number;
  /** Whether the server answers git clients; pushes are part of the work then. */
  speaksGit: boolean;
  readonly problems: string[];
}

export function newTally(): Tally {
  return {
    cycles: 0,
    kills: { server: 0, tree: 0, fault: 0 },
    hits: new Map(),
    acknowledged: 0,
    verified: 0,
    failures: 0,
    retries: { replayed: 0, performed: 0, refused: 0 },
    starts: 0,
    startMilliseconds: 0,
    speaksGit: false,
    problems: [],
  };
}

/** How often work passes a point in a second or so decides on which passage it may be armed. */
const PASSAGES: Readonly<Record<string, number>> = { commit: 8, projector: 6, push: 2, maintenance: 1 };
/** A random kill comes after at most this many writes of its cycle. */
const MOST_WRITES = 80;
const FAULT_WAIT_MS = 4_000;
const CYCLES_PER_REPO = 6;

/**
 * One data folder and database that live through many deaths of their server. A cycle starts the server, compares it
 * with the journal, lets clients write and kills it.
 */
export class World {
  readonly folder = mkdtempSync(join(tmpdir(), 'roundhouse-crash-'));
  private readonly dataDir = join(this.folder, 'data');
  private readonly journal = new Journal(join(this.folder, 'journal.jsonl'));
  private account: { key: string; slug: string } | undefined;
  private busy: RepoNotes | undefined;
  private calm: RepoNotes | undefined;
  private cycles = 0;
  private lastKill: Kill | undefined;
  private readonly ended = new WeakSet<ServerProcess>();

  /** Without a database URL the server brings its own, which dies with its tree. */
  constructor(
    private readonly databaseUrl: string | undefined,
    private readonly random: Random,
    private readonly tally: Tally,
  ) {
    mkdirSync(this.dataDir);
  }

  async cycle(kill: Kill): Promise<void> {
    this.tally.cycles += 1;
    const point = kill === 'server' || kill === 'tree' ? undefined : kill;
    const nth = point === undefined ? 0 : this.random.between(1, PASSAGES[point.split('.')[0]!] ?? 1);
    const server = await this.start(point === undefined ? undefined : `${point}:${nth}`);
    try {
      // A server that dies while it recovers has to recover from that as well: the next start compares.
      if (server.url !== '' && (await this.compare(server))) await this.writeUntilDeath(server, kill);
    } finally {
      await this.end(server, kill);
    }
  }

  /** Starts once more, compares everything and stops cleanly. */
  async finish(): Promise<void> {
    const server = await this.start(undefined);
    if (!(await this.compare(server))) throw new Error(`The server died by itself:\n${server.output}`);
    const code = await server.stop();
    if (code !== 0) this.tally.problems.push(`The clean stop exited with ${code}: ${server.output}`);
    this.tally.acknowledged += this.journal.acknowledged;
    this.tally.failures += this.journal.failures;
    for (const [outcome, count] of Object.entries(this.journal.retries)) {
      this.tally.retries[outcome as keyof Tally['retries']] += count;
    }
    this.journal.close();
  }

  private async start(fault: string | undefined): Promise<ServerProcess> {
    const started = Date.now();
    const server = ServerProcess.spawn({
      dataDir: this.dataDir,
      fault,
      ...(this.databaseUrl !== undefined && { databaseUrl: this.databaseUrl }),
    });
    const ready = await server.ready();
    if (!ready && server.reachedFault === undefined) throw new Error(`The server did not start:\n${server.output}`);
    this.tally.starts += 1;
    this.tally.startMilliseconds += Date.now() - started;
    if (!ready) server.url = '';
    return server;
  }

  /** False when the server died meanwhile. */
  private async compare(server: ServerProcess): Promise<boolean> {
    const target = await this.target(server);
    const databaseUrl = this.databaseUrl ?? (await findRunningDatabase(join(this.dataDir, 'pg')))?.url;
    const live = [...this.journal.repos.values()].filter(({ state }) => state === 'live');
    const verification = new Verification({
      target,
      journal: this.journal,
      dataDir: this.dataDir,
      databaseUrl: databaseUrl ?? '',
      afterTree: this.lastKill === 'tree',
      cloned: live.length > 0 ? this.random.pick(live).slug : null,
    });
    try {
      await verification.run();
    } catch (error) {
      if (await server.diesWithin(200)) return false;
      throw error;
    }
    if (verification.problems.length > 0 && (await server.diesWithin(200))) return false;
    this.tally.verified += verification.verified;
    for (const problem of verification.problems) {
      this.journal.note({ problem });
      this.tally.problems.push(`cycle ${this.tally.cycles}: ${problem}`);
    }
    return true;
  }

  private async writeUntilDeath(server: ServerProcess, kill: Kill): Promise<void> {
    const workload = new Workload(await this.target(server), this.journal, this.random);
    const work = this.write(workload);
    // Observed below; a rejection meanwhile must not count as unhandled.
    work.catch(() => undefined);
    if (kill === 'server' || kill === 'tree') await this.randomMoment(server);
    else await server.diesWithin(FAULT_WAIT_MS);
    await this.end(server, kill);
    workload.stop();
    await work;
  }

  /** Counted in acknowledged writes, so that a slow machine also has something to lose, and then a moment more. */
  private async randomMoment(server: ServerProcess): Promise<void> {
    const enough = this.journal.acknowledged + this.random.between(1, MOST_WRITES);
    for (let waited = 0; waited < FAULT_WAIT_MS && this.journal.acknowledged < enough; waited += 5) {
      if (await server.diesWithin(5)) return;
    }
    await server.diesWithin(this.random.between(0, 30));
  }

  private async write(workload: Workload): Promise<void> {
    try {
      if (this.cycles % CYCLES_PER_REPO === 0 || !this.isUsable()) await this.renewRepos(workload);
      this.cycles += 1;
    } catch (error) {
      if (error instanceof Unanswered) return;
      throw error;
    }
    await workload.run(this.busy!, this.calm!);
  }

  private isUsable(): boolean {
    return this.busy?.state === 'live' && this.calm?.state === 'live';
  }

  /** Old repositories go, so that comparing stays quick. */
  private async renewRepos(workload: Workload): Promise<void> {
    for (const repo of [...this.journal.repos.values()]) {
      if (repo.state === 'live') await workload.deleteRepo(repo);
    }
    this.busy = new RepoNotes(this.journal.nextId('busy'), 'creating', false);
    this.calm = new RepoNotes(this.journal.nextId('calm'), 'creating', false);
    await workload.createRepo(this.busy);
    await workload.createRepo(this.calm);
  }

  private async end(server: ServerProcess, kill: Kill): Promise<void> {
    if (this.ended.has(server)) return;
    this.ended.add(server);
    this.lastKill = kill;
    const reached = FAULT_POINTS.find((point) => point === server.reachedFault);
    if (reached !== undefined) {
      this.tally.kills.fault += 1;
      this.tally.hits.set(reached, (this.tally.hits.get(reached) ?? 0) + 1);
    } else this.tally.kills[kill === 'tree' ? 'tree' : 'server'] += 1;
    this.journal.note({ killed: reached ?? kill });
    if (kill === 'tree') await server.killTree();
    else await server.kill();
  }

  private async target(server: ServerProcess): Promise<Target> {
    this.account ??= await signUp(server.url);
    const { key, slug } = this.account;
    return { url: server.url, key, accountSlug: slug, gitHttp: (this.tally.speaksGit ||= await speaksGit(server.url)) };
  }
}

/** Git over HTTP asks for a password first; without it there is no such route. */
async function speaksGit(url: string): Promise<boolean> {
  const answer = await fetch(`${url}/nobody/nothing.git/info/refs?service=git-upload-pack`).catch(() => null);
  return answer?.status === 401;
}

async function signUp(url: string): Promise<{ key: string; slug: string }> {
  const email = `crash-${Date.now().toString(36)}@example.com`;
  const { body } = await new Client(url, null).post('/api/v1/auth/signup', { email });
  const key = body.raw_key as string;
  const me = await new Client(url, key).get('/api/v1/auth/me');
  return { key, slug: me.body.account_slug as string };
}
