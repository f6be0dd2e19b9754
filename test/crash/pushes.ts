import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { git, tryGit } from './git.js';
import type { CommitNote, Journal, RepoNotes } from './journal.js';
import type { Random } from './random.js';
import { type Target, Unanswered } from './target.js';

/** What pushes need of the workload they are part of. */
export interface PushingWorkload {
  readonly target: Target;
  readonly journal: Journal;
  readonly random: Random;
  readonly isStopped: boolean;
  newCommit(line: ReturnType<RepoNotes['line']>, files: number): CommitNote;
}

/** The address git clones from and pushes to, with the key as its password. */
export function gitUrl(target: Target, slug: string): string {
  const url = new URL(`/${target.accountSlug}/${slug}.git`, target.url);
  url.username = 'x';
  url.password = target.key;
  return url.href;
}

/** A few commits by the real git client on a branch of their own, each pushed in one atomic push with a tag. */
export async function pushCommits(workload: PushingWorkload, repo: RepoNotes): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'rh-push-'));
  try {
    await git(folder, ['init', '-q', '-b', 'main']);
    const branch = workload.journal.nextId('push');
    for (let left = workload.random.between(1, 3); left > 0 && !workload.isStopped; left -= 1) {
      await pushOne(workload, repo, branch, folder);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function pushOne(workload: PushingWorkload, repo: RepoNotes, branch: string, folder: string): Promise<void> {
  const note = workload.newCommit(repo.line(branch), workload.random.between(1, 5));
  for (const [path, content] of note.files) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  await git(folder, ['add', '.']);
  await git(folder, ['commit', '-q', '-m', note.id]);
  note.sha = (await git(folder, ['rev-parse', 'HEAD'])).trim();
  const tag = `refs/tags/${note.id}`;
  repo.refs.set(tag, { value: null, pending: note.sha });
  const number = workload.journal.intend('push', { slug: repo.slug, branch, tag, sha: note.sha });
  const { code, stderr } = await tryGit(folder, [
    'push',
    '--quiet',
    '--atomic',
    gitUrl(workload.target, repo.slug),
    `HEAD:refs/heads/${branch}`,
    `HEAD:${tag}`,
  ]);
  if (code !== 0) {
    workload.journal.note({ number, pushFailed: stderr });
    throw new Unanswered(stderr);
  }
  note.acknowledged = true;
  repo.refs.set(tag, { value: note.sha });
  workload.journal.acknowledge(number);
}
