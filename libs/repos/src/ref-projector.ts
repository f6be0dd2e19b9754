import { open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { faultPoint } from '#kernel';
import { Database, RefFiles } from '#platform';
import type { Ref } from './ref.js';
import { RefsRepository } from './refs.repository.js';
import type { Repo } from './repo.js';
import { RepoStorage } from './repo-storage.js';
import { ReposRepository } from './repos.repository.js';

/** A row this old has lost its process, or is served twice, which does no harm. */
const ORPHAN_SECONDS = 3;
const AT_ONCE = 4;

/**
 * Writes the refs of the table into the repository, for the git programs that read them there. All refs of a
 * repository stand in one `packed-refs` file that is replaced as a whole, so that git always sees one consistent state
 * and neither loose files nor file/directory clashes exist. Nothing is fsynced: what a power cut loses is rewritten
 * from the table, whose `ref_sync` row goes only after the files are in place.
 *
 * Whoever changes refs projects them; a process that dies in between leaves its `ref_sync` row to the others, which
 * look for rows that nobody serves.
 */
@Injectable()
export class RefProjector extends RefFiles implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly log = new Logger(RefProjector.name);
  private readonly running = new Map<string, Promise<void>>();
  private readonly again = new Set<string>();
  private timer: NodeJS.Timeout | undefined;

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
    this.timer = setInterval(() => {
      this.takeOver(ORPHAN_SECONDS).catch((error: unknown) =>
        this.log.warn({ msg: 'repositories behind could not be listed', err: error }),
      );
    }, ORPHAN_SECONDS * 1000).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  /** Starts a projection in the background; several kicks while one runs make one more round. */
  kick(repoId: string): void {
    if (this.running.has(repoId)) {
      this.again.add(repoId);
      return;
    }
    const work = this.project(repoId)
      .catch((error: unknown) => this.log.error({ msg: 'refs could not be projected', repo: repoId, err: error }))
      .finally(() => {
        this.running.delete(repoId);
        if (this.again.delete(repoId)) this.kick(repoId);
      });
    this.running.set(repoId, work);
  }

  async behind(repoIds: readonly string[]): Promise<ReadonlySet<string>> {
    return new Set(await this.refs.findBehind(repoIds));
  }

  /** Returns once the files show every ref change committed before the call; needed before git reads refs from disk. */
  async catchUp(repoId: string): Promise<void> {
    if (await this.refs.isBehind(repoId)) await this.project(repoId);
  }

  private async takeOver(minAgeSeconds: number): Promise<void> {
    const behind = await this.refs.listBehind(minAgeSeconds);
    for (let at = 0; at < behind.length; at += AT_ONCE) {
      const some = behind.slice(at, at + AT_ONCE);
      for (const repoId of some) this.kick(repoId);
      for (const repoId of some) await this.running.get(repoId);
    }
  }

  private async project(repoId: string): Promise<void> {
    await this.db.transaction(async () => {
      const version = await this.refs.lockProjection(repoId);
      const repo = version === null ? null : await this.repos.findById(repoId);
      if (version === null || !repo) return;
      await this.write(repo, await this.refs.listAll(repoId));
      await this.refs.markCaughtUp(repoId, version);
    });
  }

  private async write(repo: Repo, refs: readonly Ref[]): Promise<void> {
    const directory = this.storage.directoryOf(repo);
    faultPoint('projector.before-refs');
    await replaceFile(join(directory, 'packed-refs'), packedRefs(refs));
    faultPoint('projector.between-refs');
    await replaceFile(join(directory, 'HEAD'), `ref: refs/heads/${repo.defaultBranch}\n`);
    faultPoint('projector.after-refs');
  }
}

/** git's packed-refs format, sorted by name, every tag peeled. */
export function packedRefs(refs: readonly Ref[]): string {
  const lines = refs.map(({ name, sha, peeled }) => `${sha} ${name}\n${peeled === null ? '' : `^${peeled}\n`}`);
  return `# pack-refs with: peeled fully-peeled sorted \n${lines.join('')}`;
}

let sequence = 0;

async function replaceFile(path: string, content: string): Promise<void> {
  const temporary = `${path}.${process.pid}.${(sequence += 1)}.new`;
  const file = await open(temporary, 'w', 0o644);
  try {
    await file.writeFile(content);
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}
