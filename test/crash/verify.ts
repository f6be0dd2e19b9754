import { mkdtemp, readdir, readFile, rm, stat, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { Client } from '../support/client.js';
import { tryGit } from './git.js';
import type { CommitNote, Journal, RepoNotes } from './journal.js';
import { gitUrl } from './pushes.js';
import type { Target } from './target.js';

const BATCH = 100;
const LOOK_AGAIN_MS = 500;
const OLD_MS = 3_600_000;
const INITIAL_MESSAGE = 'Initial commit';

export interface VerifySettings {
  readonly target: Target;
  readonly journal: Journal;
  readonly dataDir: string;
  readonly databaseUrl: string;
  /** Whether git itself was killed too, so that it could not remove its locks. */
  readonly afterTree: boolean;
  /** Slug of a repository that is also compared through `git clone`. */
  readonly cloned: string | null;
}

interface RepoRow {
  readonly id: string;
  readonly slug: string;
  readonly storageId: string;
  readonly defaultBranch: string;
}

interface ListedCommit {
  readonly sha: string;
  readonly message: string;
}

/**
 * Compares a restarted, idle server with the journal: through the API, on disk, in the database and through a clone.
 * Requests that were never answered may have taken effect or not, but not in part; the journal learns which.
 */
export class Verification {
  readonly problems: string[] = [];
  /** Acknowledged effects found again. */
  verified = 0;
  private readonly client: Client;

  constructor(private readonly settings: VerifySettings) {
    this.client = new Client(settings.target.url, settings.target.key);
  }

  async run(): Promise<void> {
    const db = new pg.Client({ connectionString: this.settings.databaseUrl });
    // A server that dies while it is compared takes its database along; the query in flight reports it.
    db.on('error', () => undefined);
    await db.connect();
    try {
      const { rows: behind } = await db.query('select repo_id from ref_sync');
      if (behind.length > 0) this.problem(`${behind.length} repositories are still behind after the start`);
      const rows = await this.compareRepos(db);
      for (const notes of this.settings.journal.repos.values()) {
        const row = rows.get(notes.slug);
        if (notes.state === 'live' && row) await this.compareRepo(db, notes, row);
      }
    } finally {
      await db.end();
    }
  }

  /** What was created is there, what was deleted is not; unanswered requests are settled. */
  private async compareRepos(db: pg.Client): Promise<Map<string, RepoRow>> {
    const listed = await this.listRepos();
    const { rows } = await db.query<RepoRow>(
      `select id, slug, storage_id as "storageId", default_branch as "defaultBranch" from repo`,
    );
    for (const notes of [...this.settings.journal.repos.values()]) {
      const exists = listed.has(notes.slug);
      if (notes.state === 'live' && !exists) this.problem(`repository ${notes.slug} was created and is lost`);
      else if (notes.state === 'gone' && exists) this.problem(`repository ${notes.slug} was deleted and is back`);
      else if (notes.state === 'live' || notes.state === 'gone') this.verified += 1;
      listed.delete(notes.slug);
      notes.state = exists ? 'live' : 'gone';
      // Deleted for good: looked for once more, then forgotten.
      if (!exists) this.settings.journal.repos.delete(notes.slug);
    }
    for (const slug of listed) this.problem(`repository ${slug} exists and nobody created it`);
    return new Map(rows.map((row) => [row.slug, row]));
  }

  private async compareRepo(db: pg.Client, notes: RepoNotes, row: RepoRow): Promise<void> {
    const directory = directoryOf(this.settings.dataDir, row.storageId);
    const refs = await this.compareRefs(db, notes, row, directory);
    for (const [branch, line] of notes.lines) await this.compareLine(notes, branch, line, refs);
    await this.compareFiles(notes, directory);
    await this.fsck(notes.slug, directory);
    await this.findLeftovers(notes.slug, directory);
    if (this.settings.cloned === notes.slug) await this.compareClone(notes.slug, directory, refs);
  }

  /** API, table and files agree, and every ref is where its client left it. */
  private async compareRefs(
    db: pg.Client,
    notes: RepoNotes,
    row: RepoRow,
    directory: string,
  ): Promise<Map<string, string>> {
    const refs = await this.listRefs(notes.slug);
    const { rows } = await db.query<{ name: string; sha: string }>('select name, sha from ref where repo_id = $1', [
      row.id,
    ]);
    const table = new Map(rows.map(({ name, sha }) => [name, sha]));
    this.same(`${notes.slug}: refs by API and in the table`, refs, table);
    this.same(`${notes.slug}: refs in the table and on disk`, table, await refsOf(directory));
    const head = (await readFile(join(directory, 'HEAD'), 'utf8')).trim();
    if (head !== `ref: refs/heads/${row.defaultBranch}`) this.problem(`${notes.slug}: HEAD says ${head}`);

    for (const [name, note] of notes.refs) {
      const found = refs.get(name) ?? null;
      if (found === note.value && note.pending === undefined) this.verified += 1;
      else if (found !== note.value && !(note.pending !== undefined && found === note.pending))
        this.problem(`${notes.slug}: ${name} is ${found}, acknowledged ${note.value}, asked for ${note.pending}`);
      note.value = found;
      delete note.pending;
      if (found === null) notes.refs.delete(name);
    }
    const known = new Set(['refs/heads/main', ...notes.refs.keys()]);
    for (const branch of notes.lines.keys()) known.add(`refs/heads/${branch}`);
    for (const name of refs.keys()) if (!known.has(name)) this.problem(`${notes.slug}: nobody created ${name}`);
    return refs;
  }

  /** Every acknowledged commit is in the branch's history; the others are settled. */
  private async compareLine(
    notes: RepoNotes,
    branch: string,
    line: CommitNote[],
    refs: ReadonlyMap<string, string>,
  ): Promise<void> {
    const exists = refs.has(`refs/heads/${branch}`);
    const history = exists ? await this.history(notes.slug, branch) : [];
    const shas = new Map(history.map(({ sha, message }) => [message.trim(), sha]));
    for (const note of [...line]) {
      const found = shas.get(note.id);
      shas.delete(note.id);
      if (note.acknowledged && found !== note.sha) {
        this.problem(`${notes.slug}: ${note.id} (${note.sha}) is not on ${branch}, found ${found}`);
      } else if (note.acknowledged) this.verified += 1;
      if (found === undefined) line.splice(line.indexOf(note), 1);
      else Object.assign(note, { sha: found, acknowledged: true });
    }
    shas.delete(INITIAL_MESSAGE);
    if (shas.size > 0) this.problem(`${notes.slug}: ${branch} has commits nobody made: ${[...shas.keys()].join()}`);
  }

  /** All files of all commits by git from disk, and those that are new since the last look also through the API. */
  private async compareFiles(notes: RepoNotes, directory: string): Promise<void> {
    for (const [branch, line] of notes.lines) {
      if (line.length === 0) continue;
      const expected = new Map(line.flatMap(({ files }) => [...files]));
      const onDisk = await filesOf(directory, branch, [...expected.keys()]);
      this.same(`${notes.slug}: files of ${branch} on disk`, expected, onDisk);
      const fresh = new Map(line.filter((note) => !note.readBack).flatMap(({ files }) => [...files]));
      const paths = [...fresh.keys()];
      const read = new Map<string, string>();
      for (let at = 0; at < paths.length; at += BATCH) {
        const body = { ref: branch, paths: paths.slice(at, at + BATCH) };
        const answer = await this.client.post(`/v1/repos/${notes.slug}/blobs/batch`, body);
        for (const blob of answer.body.blobs ?? []) read.set(blob.path as string, blob.content as string);
      }
      this.same(`${notes.slug}: files of ${branch} by API`, fresh, read);
      for (const note of line) note.readBack = true;
    }
  }

  /** Packs may be rolled up while git looks at them; damage is there at the second look as well. */
  private async fsck(slug: string, directory: string): Promise<void> {
    let words = '';
    for (let looks = 0; looks < 3; looks += 1) {
      const { code, stdout, stderr } = await tryGit(directory, ['fsck', '--strict', '--no-dangling', '--no-progress']);
      if (code === 0) return;
      words = `exited with ${code}: ${stdout.toString()} ${stderr}`;
      await sleep(LOOK_AGAIN_MS);
    }
    this.problem(`${slug}: git fsck ${words}`);
  }

  /** A lock that a killed process held stops every later git. */
  private async findLeftovers(slug: string, directory: string): Promise<void> {
    let locks = await locksIn(directory);
    // Maintenance may hold one right now.
    for (let looks = 0; looks < 10 && locks.length > 0; looks += 1) {
      await sleep(LOOK_AGAIN_MS);
      locks = await locksIn(directory);
    }
    for (const lock of locks) {
      const { mtimeMs } = await stat(join(directory, lock));
      if (Date.now() - mtimeMs > OLD_MS) continue;
      // Found much later, so to speak: from now on it is the server's to remove.
      if (this.settings.afterTree) await utimes(join(directory, lock), new Date(0), new Date(0));
      else this.problem(`${slug}: stale lock ${lock}`);
    }
  }

  private async compareClone(slug: string, directory: string, refs: ReadonlyMap<string, string>): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), 'rh-clone-'));
    try {
      const { target } = this.settings;
      const from = target.gitHttp ? gitUrl(target, slug) : `file://${directory}`;
      const { code, stderr } = await tryGit(folder, ['clone', '-q', '--mirror', from, 'clone.git']);
      if (code !== 0) return this.problem(`${slug}: git clone failed: ${stderr}`);
      const clone = join(folder, 'clone.git');
      this.same(`${slug}: refs and their clone`, refs, await refsOf(clone));
      await this.fsck(`the clone of ${slug}`, clone);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  private async listRepos(): Promise<Set<string>> {
    const found = new Set<string>();
    for (let cursor = ''; ;) {
      const { status, body } = await this.client.get(`/v1/repos?limit=100${cursor}`);
      if (status !== 200) throw new Error(`Listing repositories answered ${status}`);
      for (const repo of body.repos) found.add(repo.slug as string);
      if (!body.next_cursor) return found;
      cursor = `&cursor=${encodeURIComponent(body.next_cursor as string)}`;
    }
  }

  private async listRefs(slug: string): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    for (let cursor = ''; ;) {
      const { status, body } = await this.client.get(`/v1/repos/${slug}/refs?limit=500${cursor}`);
      if (status !== 200) throw new Error(`Listing refs of ${slug} answered ${status}: ${JSON.stringify(body)}`);
      for (const { ref, sha } of body.refs) found.set(ref as string, sha as string);
      if (!body.next_cursor) return found;
      cursor = `&cursor=${encodeURIComponent(body.next_cursor as string)}`;
    }
  }

  private async history(slug: string, branch: string): Promise<ListedCommit[]> {
    const found: ListedCommit[] = [];
    for (let cursor = ''; ;) {
      const path = `/v1/repos/${slug}/commits?ref=${encodeURIComponent(branch)}&limit=100${cursor}`;
      const { status, body } = await this.client.get(path);
      if (status !== 200) {
        this.problem(`${slug}: history of ${branch} answered ${status}: ${JSON.stringify(body)}`);
        return found;
      }
      found.push(...(body.commits as ListedCommit[]));
      if (!body.next_cursor) return found;
      cursor = `&cursor=${body.next_cursor}`;
    }
  }

  private same(what: string, wanted: ReadonlyMap<string, string>, found: ReadonlyMap<string, string>): void {
    const names = new Set([...wanted.keys(), ...found.keys()]);
    const different = [...names].filter((name) => wanted.get(name) !== found.get(name));
    if (different.length === 0) return;
    const shown = different
      .slice(0, 3)
      .map((name) => `${name}: ${short(wanted.get(name))} and ${short(found.get(name))}`);
    this.problem(`${what} differ in ${different.length} of ${names.size}: ${shown.join('; ')}`);
  }

  private problem(text: string): void {
    this.problems.push(text);
  }
}

/** Where the server keeps a repository. */
function directoryOf(dataDir: string, storageId: string): string {
  return join(dataDir, 'repos', storageId.slice(0, 2), storageId.slice(2, 4), `${storageId}.git`);
}

async function locksIn(directory: string): Promise<string[]> {
  return (await readdir(directory, { recursive: true })).filter((name) => name.endsWith('.lock'));
}

async function refsOf(directory: string): Promise<Map<string, string>> {
  const { code, stdout, stderr } = await tryGit(directory, ['for-each-ref', '--format=%(refname) %(objectname)']);
  if (code !== 0) throw new Error(`git for-each-ref exited with ${code}: ${stderr}`);
  const lines = stdout.toString().split('\n').filter(Boolean);
  return new Map(lines.map((line) => line.split(' ') as [string, string]));
}

/** Contents of files at the head of a branch, by one `git cat-file`. */
async function filesOf(directory: string, branch: string, paths: readonly string[]): Promise<Map<string, string>> {
  const input = paths.map((path) => `refs/heads/${branch}:${path}\n`).join('');
  const { stdout } = await tryGit(directory, ['cat-file', '--batch'], input);
  const found = new Map<string, string>();
  let at = 0;
  for (const path of paths) {
    const end = stdout.indexOf('\n', at);
    const [, type, size] = stdout.toString('latin1', at, end).split(' ');
    at = end + 1;
    if (type !== 'blob') continue;
    found.set(path, stdout.toString('utf8', at, at + Number(size)));
    at += Number(size) + 1;
  }
  return found;
}

function short(text: string | undefined): string {
  return text === undefined ? 'nothing' : text.slice(0, 60);
}
