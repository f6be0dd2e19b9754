import { Injectable } from '@nestjs/common';
import { AppConfig } from '#platform';
import { codingScope } from '../coding-sessions/checkout.js';
import type { SandboxLimits, SandboxPlace } from '../provider/sandbox-provider.js';
import { AccessScope } from '../scope/access-scope.js';
import { Workspaces } from '../workspace/workspaces.js';
import type { Life } from './life.js';

type PlacedLife = Pick<Life, 'id' | 'accountId' | 'fileAccess' | 'skills'>;

/** Where a sandbox's commands run: an agent's in the workspace as far as its scope goes, others in their own directory. */
@Injectable()
export class SandboxPlaces {
  private readonly limits: SandboxLimits;

  constructor(
    private readonly workspaces: Workspaces,
    config: AppConfig,
  ) {
    this.limits = {
      memoryBytes: config.SANDBOX_MEMORY_BYTES,
      processes: config.SANDBOX_PROCESSES,
      cpus: config.SANDBOX_CPU_PERCENT / 100,
      scratchBytes: config.SANDBOX_SCRATCH_BYTES,
      diskBytes: config.SANDBOX_DISK_BYTES,
    };
  }

  of({ id, accountId, fileAccess, skills }: PlacedLife): SandboxPlace {
    return {
      workspace: this.workspaces.pathOf(accountId),
      scope: fileAccess ? new AccessScope(id, fileAccess) : codingScope(id),
      skills,
      limits: this.limits,
    };
  }

  /** As `of`, with its directory made when missing. */
  async open(life: PlacedLife): Promise<SandboxPlace> {
    await (await this.workspaces.open(life.accountId, life.id)).close();
    return this.of(life);
  }
}
