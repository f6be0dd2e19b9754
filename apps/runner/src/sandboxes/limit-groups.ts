import type { LimitLevel, SandboxLimits } from '#sandboxes';

/** What keeps the limits of one sandbox, whatever runs in it. */
export interface LimitGroup {
  /** Files into which the id of a process is written to make it, and what it starts, one of the group. */
  readonly joinedBy: readonly string[];
  /** How many processes the kernel has ended for memory so far. */
  oomKills(): number;
  /** How often the kernel has refused it a process so far. */
  refusedForks(): number;
  /** Ends what is left and forgets the group. Safe to call twice. */
  remove(): Promise<void>;
}

export interface LimitGroups {
  readonly level: LimitLevel;
  /** The group of a sandbox, made at its first command; with new limits when they have changed. */
  of(sandboxId: string, limits: SandboxLimits): LimitGroup;
  remove(sandboxId: string): Promise<void>;
  close(): Promise<void>;
}

const NO_GROUP: LimitGroup = {
  joinedBy: [],
  oomKills: () => 0,
  refusedForks: () => 0,
  remove: () => Promise.resolve(),
};

/** Where the kernel offers no groups: each command is watched by itself. */
export class NoLimitGroups implements LimitGroups {
  readonly level = 'supervised';

  of(): LimitGroup {
    return NO_GROUP;
  }

  remove(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
