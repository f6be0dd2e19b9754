import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, Client } from '../support/client.js';
import { type CommitNote, type Journal, type RefNote, RepoNotes, type UnansweredCommit } from './journal.js';
import type { Random } from './random.js';
import { pushCommits } from './pushes.js';
import { type Target, Unanswered } from './target.js';

const GROUP_WRITERS = 6;
const PAUSE_MS = 5;

/** All kinds of writes at once, each noted before and after, until the server stops answering or `stop` is called. */
export class Workload {
  private stopped = false;
  readonly client: Client;

  constructor(
    readonly target: Target,
    readonly journal: Journal,
    readonly random: Random,
  ) {
    this.client = new Client(target.url, target.key);
  }

  stop(): void {
    this.stopped = true;
  }

  get isStopped(): boolean {
    return this.stopped;
  }

  /** Two repositories take the writes; others come and go. Rejects when the server answered what it never should. */
  async run(busy: RepoNotes, calm: RepoNotes): Promise<void> {
    await this.repeatUnanswered();
    const writers = Array.from({ length: GROUP_WRITERS }, (_, index) =>
      this.repeat(() => this.commit(busy, 'main', index === 0 ? this.random.between(2, 30) : 1)),
    );
    const lines = ['line-a', 'line-b'].map((branch) =>
      this.repeat(() => this.commit(calm, branch, this.random.between(1, 3), true)),
    );
    await settleAll([
      ...writers,
      ...lines,
      this.repeat(() => this.churnRef(calm, this.journal.nextId('refs/heads/topic'))),
      this.repeat(() => this.churnRef(calm, this.journal.nextId('refs/tags/v'))),
      this.repeat(() => this.churnRepo()),
      ...(this.target.gitHttp ? [this.repeat(() => pushCommits(this, calm))] : []),
    ]);
  }

  /** Creates the repository; its first commit is empty and nobody's. */
  async createRepo(repo: RepoNotes): Promise<void> {
    this.journal.repos.set(repo.slug, repo);
    const number = this.journal.intend('create repo', { slug: repo.slug });
    await this.expect(201, this.client.post('/v1/repos', { slug: repo.slug }));
    this.journal.acknowledge(number);
    repo.state = 'live';
  }

  async deleteRepo(repo: RepoNotes): Promise<void> {
    const number = this.journal.intend('delete repo', { slug: repo.slug });
    repo.state = 'deleting';
    await this.expect(200, this.client.delete(`/v1/repos/${repo.slug}`));
    this.journal.acknowledge(number);
    repo.state = 'gone';
  }

  /** One commit of new files; `pinned` names the parent, as the only writer of a branch may. */
  async commit(repo: RepoNotes, branch: string, files: number, pinned = false): Promise<void> {
    const note = this.newCommit(repo.line(branch), files);
    const parent = pinned ? repo.acknowledgedShas(branch).at(-1) : undefined;
    const number = this.journal.intend('commit', { slug: repo.slug, branch, id: note.id });
    const body = {
      branch,
      message: note.id,
      ...(parent !== undefined && { parent_sha: parent }),
      changes: [...note.files].map(([path, content]) => ({ path, content })),
    };
    const request = { slug: repo.slug, branch, note, key: note.id, body };
    try {
      const answer = await this.expect(201, this.send(request));
      this.commitIsDone(number, note, answer);
    } catch (error) {
      if (error instanceof Unanswered) this.journal.unanswered.push(request);
      throw error;
    }
  }

  /**
   * Sends again, with their first Idempotency-Key, the commits that a dead server left unanswered. One that had its
   * effect answers it again; one that had none is done now, unless the dead server's claim on the key still holds.
   */
  private async repeatUnanswered(): Promise<void> {
    const requests = this.journal.unanswered;
    this.journal.unanswered = [];
    for (const request of requests) {
      const repo = this.journal.repos.get(request.slug);
      if (repo?.state === 'live') await this.repeatCommit(repo, request);
    }
  }

  private async repeatCommit(repo: RepoNotes, request: UnansweredCommit): Promise<void> {
    const { note, branch } = request;
    const line = repo.line(branch);
    const hadEffect = line.includes(note);
    if (!hadEffect) line.push(note);
    const number = this.journal.intend('repeat commit', { slug: repo.slug, branch, id: note.id, hadEffect });
    const answer = await this.send(request).catch(() => null);
    if (answer === null || answer.status >= 500) return;
    const replayed = answer.headers.get('idempotency-replayed') === 'true';
    if (!hadEffect && answer.status === 409) {
      this.journal.retries.refused += 1;
      line.splice(line.indexOf(note), 1);
      return;
    }
    if (answer.status !== 201 || hadEffect !== replayed || (hadEffect && answer.body.sha !== note.sha)) {
      throw new Error(`${note.id} ${hadEffect ? `is ${note.sha}` : 'had no effect'}; its retry got ${text(answer)}`);
    }
    this.journal.retries[replayed ? 'replayed' : 'performed'] += 1;
    this.commitIsDone(number, note, answer);
  }

  private send({ slug, key, body }: UnansweredCommit): Promise<Answer> {
    return this.client.post(`/v1/repos/${slug}/commits`, body, { 'idempotency-key': key });
  }

  private commitIsDone(number: number, note: CommitNote, answer: Answer): void {
    note.sha = answer.body.sha as string;
    note.acknowledged = true;
    this.journal.acknowledge(number, { sha: note.sha });
  }

  newCommit(line: CommitNote[], files: number): CommitNote {
    const id = this.journal.nextId('c');
    const folder = `${this.random.between(0, 9)}/${this.random.between(0, 9)}`;
    const contents = Array.from(
      { length: files },
      (_, index) => [`${folder}/${id}-${index}.txt`, `${id} ${'x'.repeat(this.random.between(0, 3000))}\n`] as const,
    );
    const note: CommitNote = { id, files: new Map(contents), sha: null, acknowledged: false, readBack: false };
    line.push(note);
    return note;
  }

  /** A ref is created, moved a few times and, more often than not, deleted. */
  private async churnRef(repo: RepoNotes, name: string): Promise<void> {
    const known = ['line-a', 'line-b'].flatMap((branch) => repo.acknowledgedShas(branch));
    if (known.length === 0) return void (await sleep(PAUSE_MS));
    const note: RefNote = { value: null };
    repo.refs.set(name, note);
    for (let moves = this.random.between(1, 3); moves > 0; moves -= 1) {
      await this.moveRef(repo, name, note, this.random.pick(known));
    }
    if (this.random.chance(0.7)) await this.moveRef(repo, name, note, null);
  }

  private async moveRef(repo: RepoNotes, name: string, note: RefNote, sha: string | null): Promise<void> {
    const number = this.journal.intend('move ref', { slug: repo.slug, name, sha });
    note.pending = sha;
    const path = `/v1/repos/${repo.slug}/${name}`;
    const isNewBranch = note.value === null && sha !== null && name.startsWith('refs/heads/');
    if (sha === null) await this.expect(200, this.client.delete(path));
    else if (isNewBranch) {
      const body = { name: name.slice('refs/heads/'.length), from_sha: sha };
      await this.expect(201, this.client.post(`/v1/repos/${repo.slug}/branches`, body));
    } else await this.expect(200, this.client.put(path, { sha, expected_sha: note.value }));
    note.value = sha;
    delete note.pending;
    this.journal.acknowledge(number);
  }

  private async churnRepo(): Promise<void> {
    const repo = new RepoNotes(this.journal.nextId('small'), 'creating', true);
    await this.createRepo(repo);
    await this.commit(repo, 'main', 1);
    if (this.random.chance(0.8)) await this.deleteRepo(repo);
    await sleep(PAUSE_MS);
  }

  /** @throws Unanswered for a 5xx or a broken connection, Error for any other answer than the expected one */
  private async expect(status: number, sent: Promise<Answer>): Promise<Answer> {
    const answer = await sent.catch((error: unknown) => {
      throw new Unanswered('no answer', { cause: error });
    });
    if (answer.status === status) return answer;
    this.journal.note({ unexpected: text(answer) });
    if (answer.status < 500) throw new Error(`Expected ${status}, got ${text(answer)}`);
    this.journal.failures += 1;
    throw new Unanswered(text(answer));
  }

  private async repeat(work: () => Promise<void>): Promise<void> {
    try {
      while (!this.stopped) await work();
    } catch (error) {
      if (!(error instanceof Unanswered)) throw error;
    }
  }
}

function text(answer: Answer): string {
  return `${answer.status} ${JSON.stringify(answer.body)}`;
}

/** Waits for all; then the first failure counts. */
async function settleAll(work: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) {
    if (result.status === 'rejected') throw result.reason;
  }
}
