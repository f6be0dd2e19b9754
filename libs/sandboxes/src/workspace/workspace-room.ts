import { Injectable, Logger } from '@nestjs/common';
import { DomainError } from '#kernel';
import { AppConfig } from '#platform';
import { SandboxProvider } from '../provider/sandbox-provider.js';
import { Workspaces } from './workspaces.js';

/** What may come in before anybody measures what it comes to. */
const UNMEASURED_BYTES = 64 * 1_048_576;
const UNMEASURED_SHARE = 1 / 8;
/** Commands write too: what was measured longer ago says little. */
const STALE_MS = 300_000;
/** A full workspace is measured again so often while somebody wants to write. */
const AGAIN_MS = 1_000;
const MAX_KNOWN = 10_000;

interface Use {
  /** Bytes on disk when it was measured; null before. */
  measured: number | null;
  /** Came in since. */
  added: number;
  /** On its way. */
  coming: number;
  /** `performance.now()` when the measurement began. */
  measuredAt: number;
  measuring: Promise<void> | null;
}

/**
 * How much room workspaces have for files that come in over HTTP. Measuring walks through all of a workspace, so it is
 * done once much has come in, and not waited for unless it says that there is no room.
 */
@Injectable()
export class WorkspaceRoom {
  private readonly log = new Logger(WorkspaceRoom.name);
  /** The one used last comes last. */
  private readonly uses = new Map<string, Use>();

  constructor(
    private readonly provider: SandboxProvider,
    private readonly workspaces: Workspaces,
    private readonly config: AppConfig,
  ) {}

  /**
   * Keeps room for so many bytes while `work` brings them in. Errors: `payload_too_large` (`workspace.full`) when there is
   * none for them.
   */
  async hold<Result>(accountId: string, bytes: number, work: () => Promise<Result>): Promise<Result> {
    const use = this.useOf(accountId);
    use.coming += bytes;
    try {
      await this.assertRoom(accountId, use);
      return await work();
    } finally {
      use.coming -= bytes;
    }
  }

  /** Takes note of what has come in. */
  add(accountId: string, bytes: number): void {
    this.useOf(accountId).added += bytes;
  }

  private async assertRoom(accountId: string, use: Use): Promise<void> {
    const limit = this.config.SANDBOX_DISK_BYTES;
    const isOver = (): boolean => use.measured !== null && use.measured + use.added + use.coming > limit;
    if (!isOver()) {
      if (isDue(use, limit)) void this.measure(accountId, use);
      return;
    }
    if (performance.now() - use.measuredAt >= AGAIN_MS) await this.measure(accountId, use);
    if (!isOver()) return;
    throw new DomainError('payload_too_large', `The workspace may hold at most ${limit} bytes`, {
      reason: 'workspace.full',
      details: { limit },
    });
  }

  private measure(accountId: string, use: Use): Promise<void> {
    use.measuring ??= this.look(accountId, use).finally(() => (use.measuring = null));
    return use.measuring;
  }

  private async look(accountId: string, use: Use): Promise<void> {
    const before = use.added;
    use.measuredAt = performance.now();
    try {
      use.measured = await this.provider.diskUsage(this.workspaces.pathOf(accountId));
      use.added -= before;
    } catch (error) {
      this.log.warn({ msg: 'a workspace could not be measured', err: error, accountId });
    }
  }

  private useOf(accountId: string): Use {
    const use = this.uses.get(accountId) ?? {
      measured: null,
      added: 0,
      coming: 0,
      measuredAt: -Infinity,
      measuring: null,
    };
    this.uses.delete(accountId);
    this.uses.set(accountId, use);
    if (this.uses.size > MAX_KNOWN) this.uses.delete(this.uses.keys().next().value!);
    return use;
  }
}

function isDue({ measured, added, coming, measuredAt }: Use, limit: number): boolean {
  if (added + coming >= Math.min(UNMEASURED_BYTES, limit * UNMEASURED_SHARE)) return true;
  return measured !== null && performance.now() - measuredAt >= STALE_MS;
}
