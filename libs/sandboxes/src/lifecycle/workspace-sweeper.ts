import { lstat, opendir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { Clock, ifAbsent } from '#kernel';
import { PeriodicTasks } from '#platform';
import { OWN_DIRECTORIES } from '../scope/file-access.js';
import { UPLOADS, UPLOADS_KEPT_MS, Workspaces } from '../workspace/workspaces.js';
import { STAGING } from './own-directories.js';

const EVERY_MS = 6 * 3_600_000;
/** What was being built. The rest of a replacement is ended with the sandbox's next step, and is data until then. */
const BUILT = /\.[0-9a-f]{16}$/;

/** Removes what is left in workspaces: uploads that did not end or were staged a day ago, directories that were being built. Idempotent. */
@Injectable()
export class WorkspaceSweeper implements OnModuleInit {
  private readonly log = new Logger(WorkspaceSweeper.name);

  constructor(
    private readonly workspaces: Workspaces,
    private readonly periodic: PeriodicTasks,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.periodic.register({ name: 'sandboxes.sweep', everyMs: EVERY_MS, run: (signal) => this.sweep(signal) });
  }

  async sweep(signal: AbortSignal): Promise<void> {
    let removed = 0;
    for await (const account of namesIn(this.workspaces.root)) {
      if (signal.aborted) return;
      const own = join(this.workspaces.root, account, OWN_DIRECTORIES);
      removed += await this.sweepFolder(join(own, UPLOADS), () => true);
      removed += await this.sweepFolder(join(own, STAGING), (name) => BUILT.test(name));
    }
    if (removed > 0) this.log.log({ msg: 'leftovers of crashes removed from workspaces', removed });
  }

  private async sweepFolder(folder: string, isLeftover: (name: string) => boolean): Promise<number> {
    const before = this.clock.now() - UPLOADS_KEPT_MS;
    let removed = 0;
    for await (const name of namesIn(folder)) {
      const path = join(folder, name);
      const touched = await lstat(path).then(({ mtimeMs }) => mtimeMs, ifAbsent(Infinity));
      if (!isLeftover(name) || touched >= before) continue;
      await rm(path, { recursive: true, force: true });
      removed += 1;
    }
    return removed;
  }
}

async function* namesIn(folder: string): AsyncGenerator<string> {
  const entries = await opendir(folder).catch(ifAbsent(null));
  for await (const { name } of entries ?? []) yield name;
}
