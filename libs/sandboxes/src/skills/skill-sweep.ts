import { lstat, opendir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { Clock, ifAbsent } from '#kernel';
import { PeriodicTasks } from '#platform';
import { Workspaces } from '../workspace/workspaces.js';
import { isSkillVersion } from './skill.js';
import { SkillDirectories } from './skill-directories.js';
import { SkillsRepository } from './skills.repository.js';

const EVERY_MS = 3_600_000;
/** No upload takes so long: what nothing refers to by then was left by a crash. */
const AGE_MS = 24 * 3_600_000;
const BATCH = 100;

/**
 * Removes versions of skills once no skill and no session refers to them: the row first, so that a crash leaves a
 * directory that nothing knows, which goes when it is old. Idempotent.
 */
@Injectable()
export class SkillSweep implements OnModuleInit {
  private readonly log = new Logger(SkillSweep.name);

  constructor(
    private readonly skills: SkillsRepository,
    private readonly directories: SkillDirectories,
    private readonly workspaces: Workspaces,
    private readonly periodic: PeriodicTasks,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.periodic.register({ name: 'skills.sweep', everyMs: EVERY_MS, run: (signal) => this.sweep(signal) });
  }

  /** For after a commit: what an upload or a deletion leaves, soon. */
  wake(accountId: string): void {
    this.removeUnused(accountId).catch((error: unknown) =>
      this.log.warn({ msg: 'unused versions of skills could not be removed', err: error }),
    );
  }

  async sweep(signal: AbortSignal): Promise<void> {
    for (let removed = BATCH; removed === BATCH && !signal.aborted;) removed = await this.removeUnused(null);
    const accounts = await opendir(this.workspaces.root).catch(ifAbsent(null));
    for await (const { name } of accounts ?? []) {
      if (signal.aborted) return;
      await this.removeUnknown(name);
    }
  }

  private async removeUnused(accountId: string | null): Promise<number> {
    const gone = await this.skills.forgetUnused(accountId, BATCH);
    for (const version of gone) await this.directories.remove(version.accountId, version.id);
    return gone.length;
  }

  private async removeUnknown(accountId: string): Promise<void> {
    const folder = this.directories.folderOf(accountId);
    const before = this.clock.now() - AGE_MS;
    const old: string[] = [];
    for (const name of await readdir(folder).catch(ifAbsent<string[]>([]))) {
      const touched = await lstat(join(folder, name)).then(({ mtimeMs }) => mtimeMs, ifAbsent(Infinity));
      if (isSkillVersion(name) && touched < before) old.push(name);
    }
    if (old.length === 0) return;
    const known = await this.skills.known(old);
    for (const name of old) if (!known.has(name)) await this.directories.remove(accountId, name);
  }
}
