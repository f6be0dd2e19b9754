import { mkdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { DomainError } from '#kernel';
import type { ExecRequest, SandboxSupport } from '#sandboxes';
import type { BubblewrapExecution } from './bubblewrap-execution.js';
import { BubblewrapSandboxes } from './bubblewrap-sandboxes.js';
import { diskUsage } from './disk-space.js';
import { chooseIdentity } from './sandbox-identity.js';

/** A machine that lacks something is looked at again after that time: it may have been mended. */
const LOOK_AGAIN_MS = 5_000;

export interface OfferedBubblewrapOptions {
  readonly searchPath: string;
  /** The folder that all workspaces are in; others are refused. */
  readonly workspaces: string;
  /** Where that folder is mounted once more, reachable for users who may not enter the folders above it. */
  readonly window: string | null;
  /** As whom sandboxes are to run if this process is root; 0 to let them. */
  readonly uid: number;
}

/** The sandboxes that this machine can offer, from the first time on that they are wanted. */
export class OfferedBubblewrap {
  private readonly base: string;
  private offer: Promise<BubblewrapSandboxes> | null = null;

  constructor(private readonly options: OfferedBubblewrapOptions) {
    const { workspaces, window } = options;
    mkdirSync(workspaces, { recursive: true, mode: 0o711 });
    this.base = window !== null && isSame(workspaces, window) ? window : workspaces;
  }

  /** Errors: `unavailable` (`sandboxes_unavailable`) with the cause and the fix. */
  async exec({ sandbox, command }: ExecRequest): Promise<BubblewrapExecution> {
    const sandboxes = await this.find();
    return sandboxes.exec({ ...sandbox, workspace: this.placeOf(sandbox.workspace) }, command);
  }

  async support(): Promise<SandboxSupport> {
    try {
      const { level, lacks, identity } = await this.find();
      return { isAvailable: true, level, lacks, uid: identity.uid };
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      return { isAvailable: false, reason: error.message };
    }
  }

  /** Ends every command of the sandbox, if any could ever run. */
  async stop(sandboxId: string): Promise<void> {
    const offer = await this.offer?.catch(() => null);
    await offer?.stop(sandboxId);
  }

  /** Also where no sandbox can run. */
  diskUsage(workspace: string): Promise<number> {
    return diskUsage(this.placeOf(workspace), this.options.searchPath);
  }

  async close(): Promise<void> {
    const offer = await this.offer?.catch(() => null);
    await offer?.close();
  }

  private find(): Promise<BubblewrapSandboxes> {
    if (!this.offer) {
      const { searchPath, uid } = this.options;
      const offer = BubblewrapSandboxes.open(searchPath, undefined, () => chooseIdentity(searchPath, uid, this.base));
      this.offer = offer;
      offer.catch(() => setTimeout(() => (this.offer = null), LOOK_AGAIN_MS));
    }
    return this.offer;
  }

  private placeOf(workspace: string): string {
    const way = relative(this.options.workspaces, workspace);
    if (way === '' || way.includes('/') || way === '..') throw new DomainError('internal', 'No workspace of ours');
    return join(this.base, way);
  }
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [statSync(one), statSync(other, { throwIfNoEntry: false })];
  return b !== undefined && a.dev === b.dev && a.ino === b.ino;
}
