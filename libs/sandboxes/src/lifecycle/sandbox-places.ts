import { Injectable } from '@nestjs/common';
import { codingScope } from '../coding-sessions/checkout.js';
import type { SandboxLimits, SandboxPlace } from '../provider/sandbox-provider.js';
import { AccessScope } from '../scope/access-scope.js';
import { Workspaces } from '../workspace/workspaces.js';
import type { Life } from './life.js';

const MIB = 1_048_576;
const LIMITS: SandboxLimits = { memoryBytes: 2_048 * MIB, processes: 512, cpus: 2, scratchBytes: 256 * MIB };

/** Where a sandbox's commands run: an agent's in the workspace as far as its scope goes, others in their own directory. */
@Injectable()
export class SandboxPlaces {
  constructor(private readonly workspaces: Workspaces) {}

  of({ id, accountId, fileAccess }: Pick<Life, 'id' | 'accountId' | 'fileAccess'>): SandboxPlace {
    return {
      workspace: this.workspaces.pathOf(accountId),
      scope: fileAccess ? new AccessScope(id, fileAccess) : codingScope(id),
      limits: LIMITS,
    };
  }

  /** As `of`, with its directory made when missing. */
  async open(life: Pick<Life, 'id' | 'accountId' | 'fileAccess'>): Promise<SandboxPlace> {
    await (await this.workspaces.open(life.accountId, life.id)).close();
    return this.of(life);
  }
}
