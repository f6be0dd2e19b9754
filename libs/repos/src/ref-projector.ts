import { open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type BeforeApplicationShutdown,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { faultPoint } from '#kernel';
import { Database, RefFiles } from '#platform';
import type { Ref } from './ref.js';
import { RefsRepository } from './refs.repository.js';
import type { Repo } from './repo.js';
import { RepoStorage } from './repo-storage.js';
import { ReposRepository } from './repos.repository.js';

/** A row this old has lost its process, or is served twice, which does no harm. */
const ORPHAN_SECONDS = 3;
/** How long changes gather before they are projected: a busy branch is not written anew for every commit. */
const GATHER_MS = 200;
/** Repositories of one transaction. */
const AT_ONCE = 16;

/**
 * Writes the refs of the table into the repository, for the git programs that read them there. All refs of a
 * repository stand in one `packed-refs` file that is replaced as a whole, so that git always sees one consistent state
 * and neither loose files nor file/directory clashes exist. It is not fsynced: what a power cut loses is rewritten by the
 * next change, or from the table, whose `ref_sync` row goes only after the files are in place. `HEAD` is written, and
 * fsynced, only when the default branch has changed.
 *
 * Whoever changes refs projects them; a process that dies in between leaves its `ref_sync` row to the others, which
 * look for rows that nobody serves.
 */
@Injectable()
export class RefProjector
  extends RefFiles
  implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown
{
  private readonly log = new Logger(RefProjector.name);
  private readonly changed = new Set<string>();
  private gathering: NodeJS.Timeout | undefined;
  private draining: Promise<void> = Promise.resolve();
  private orphans: NodeJS.Timeout | undefined;

  constructor(
    private readonly db: Database,
    private readonly refs: RefsRepository,
    private readonly repos: ReposRepository,
    private readonly storage: RepoStorage,
  ) {
    super();
  }

  /** Catches up with whatever a crash left behind. A repository that cannot be projected does not stop the others. */
  async onApplicationBootstrap(): Promise<void> {
    await this.takeOver(0);
    this.orphans = setInterval(() => {
      this.takeOver(ORPHAN_SECONDS).catch((error: unknown) =>
        this.log.warn({ msg: 'repositories behind could not be listed', err: error }),
      );
    }, ORPHAN_SECONDS * 1000).unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.orphans);
    await this.drain();
  }

  /** Whatever changed after the last projection is the next start's to project. */
  onApplicationShutdown(): void {
    clearTimeout(this.gathering);
  }

  /** Projects a repository behind the answer, a moment from now, together with others. */
  kick(repoId: string): void {
    this.changed.add(repoId);
    this.gathering ??= setTimeout(() => void this.drain(), GATHER_MS).unref();
  }

  async behind(repoIds: readonly string[]): Promise<ReadonlySet<string>> {
    return new Set(await this.refs.findBehind(repoIds));
  }

  /** Returns once the files show every ref change committed before the call; needed before git reads refs from disk. */
  async catchUp(repoId: string): Promise<void> {
    if (await this.refs.isBehind(repoId)) await this.project([repoId]);
  }

  /**
   * Writes the files anew although nothing changed. For repacking, which drops in the long run what no ref on disk
   * reaches: a power cut may have taken a projection that was done, and no later change repaired it.
   */
  async rewrite(repoId: string): Promise<void> {
    // One transaction: nobody sees the repository behind when it is not.
    await this.db.transaction(async () => {
      await this.refs.markBehind(repoId, { head: true });
      await this.project([repoId]);
    });
  }

  private async takeOver(minAgeSeconds: number): Promise<void> {
    for (const repoId of await this.refs.listBehind(minAgeSeconds)) this.changed.add(repoId);
    await this.drain();
  }

  /** Resolves when everything that has changed so far is projected, or logged as impossible; never rejects. */
  private drain(): Promise<void> {
    clearTimeout(this.gathering);
    this.gathering = undefined;
    this.draining = this.draining.then(() => this.projectChanged());
    return this.draining;
  }

  private async projectChanged(): Promise<void> {
    const all = [...this.changed];
    this.changed.clear();
    for (let at = 0; at < all.length; at += AT_ONCE) {
      const some = all.slice(at, at + AT_ONCE);
      try {
        await this.project(some);
      } catch (error) {
        this.log.debug({ msg: 'refs could not be projected together', repos: some, err: error });
        // One that cannot be projected does not stop the others.
        for (const repoId of some) await this.projectAlone(repoId);
      }
    }
  }

  private async projectAlone(repoId: string): Promise<void> {
    try {
      await this.project([repoId]);
    } catch (error) {
      this.log.error({ msg: 'refs could not be projected', repo: repoId, err: error });
    }
  }

  private async project(repoIds: readonly string[]): Promise<void> {
    await this.db.transaction(async () => {
      const behind = await this.refs.lockProjections(repoIds);
      if (behind.length === 0) return;
      const ids = behind.map(({ repoId }) => repoId);
      const repos = await this.repos.findByIds(ids);
      const refs = Map.groupBy(await this.refs.listAllOf(ids), ({ repoId }) => repoId);
      const heads = new Set(behind.filter(({ head }) => head).map(({ repoId }) => repoId));
      for (const repo of repos) await this.write(repo, refs.get(repo.id) ?? [], heads.has(repo.id));
      await this.refs.markCaughtUp(behind);
    });
  }

  private async write(repo: Repo, refs: readonly Ref[], withHead: boolean): Promise<void> {
    const directory = this.storage.directoryOf(repo);
    faultPoint('projector.before-refs');
    await replaceFile(join(directory, 'packed-refs'), packedRefs(refs));
    faultPoint('projector.between-refs');
    if (withHead) await replaceFile(join(directory, 'HEAD'), `ref: refs/heads/${repo.defaultBranch}\n`, true);
    faultPoint('projector.after-refs');
  }
}

/** git's packed-refs format, sorted by name, every tag peeled. */
export function packedRefs(refs: readonly Ref[]): string {
  const lines = refs.map(({ name, sha, peeled }) => `${sha} ${name}\n${peeled === null ? '' : `^${peeled}\n`}`);
  return `# pack-refs with: peeled fully-peeled sorted \n${lines.join('')}`;
}

let sequence = 0;

async function replaceFile(path: string, content: string, isDurable = false): Promise<void> {
  const temporary = `${path}.${process.pid}.${(sequence += 1)}.new`;
  const file = await open(temporary, 'w', 0o644);
  try {
    await file.writeFile(content);
    if (isDurable) await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}
