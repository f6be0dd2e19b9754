import { closeSync, constants, openSync } from 'node:fs';
import { DomainError } from '#kernel';
import type { LimitLevel, SandboxLimits } from '#sandboxes';
import { removeGroup } from './group-folders.js';

/** What keeps the limits of one sandbox, whatever runs in it. */
export interface LimitGroup {
  /**
   * Opens the files by which a process enters the group by itself, with a 0 for each: the kernel needs no lock for it that
   * every fork of the machine waits for. To be closed by the caller; none where groups are joined.
   */
  openEntries(): number[];
  /** Files into which the id of a process is written to make it, and what it starts, one of the group. */
  readonly joinedBy: readonly string[];
  /** How many processes the kernel has ended for memory so far. */
  oomKills(): number;
  /** How often the kernel has refused it a process so far. */
  refusedForks(): number;
  /** To be told that a fork bomb was ended in it. */
  noteStorm(): void;
}

export interface LimitGroups {
  readonly level: LimitLevel;
  /** Why there is no better level, with what to do about it; null where the kernel keeps the limits. */
  readonly lacks: string | null;
  /** The group of a sandbox, made at its first command; with new limits when they have changed. Errors: `unavailable`. */
  of(sandboxId: string, limits: SandboxLimits): LimitGroup;
  /** Ends what is left in a sandbox's group and forgets it. Safe to call twice. */
  remove(sandboxId: string): Promise<void>;
  close(): Promise<void>;
}

/** A group of the kernel, in one folder or, where controllers have hierarchies of their own, in several. */
export interface KernelGroup extends Omit<LimitGroup, 'noteStorm' | 'openEntries'> {
  readonly enteredBy: readonly string[];
  readonly folders: readonly string[];
  limit(limits: SandboxLimits): void;
}

/** How long a sandbox in which a fork bomb was ended may have half the processes, a quarter after two, an eighth then. */
const STORM_MS = 60_000;
const MOST_HALVINGS = 3;
const LEAST_PROCESSES = 16;

/**
 * Groups of the kernel, made as sandboxes need them. What a fork bomb costs everybody until it is ended grows with its
 * processes: who starts one after the other gets ever smaller ones.
 */
export class KernelGroups implements LimitGroups {
  readonly lacks = null;
  private readonly groups = new Map<string, KernelGroup>();
  /** What each was limited to last. */
  private readonly limited = new Map<KernelGroup, string>();
  private readonly storms = new Map<KernelGroup, number[]>();

  constructor(
    readonly level: LimitLevel,
    /** Folders of this process, which hold those of the sandboxes. */
    private readonly own: readonly string[],
    private readonly make: (sandboxId: string) => KernelGroup,
    private readonly now: () => number = () => performance.now(),
  ) {}

  of(sandboxId: string, limits: SandboxLimits): LimitGroup {
    const group = settingLimits(() => {
      const made = this.groups.get(sandboxId) ?? this.make(sandboxId);
      this.groups.set(sandboxId, made);
      const due = { ...limits, processes: this.processesOf(made, limits) };
      const wanted = JSON.stringify(due);
      if (this.limited.get(made) !== wanted) made.limit(due);
      this.limited.set(made, wanted);
      return made;
    });
    return {
      openEntries: () => settingLimits(() => openAll(group.enteredBy)),
      joinedBy: group.joinedBy,
      oomKills: () => group.oomKills(),
      refusedForks: () => group.refusedForks(),
      noteStorm: () => this.storms.set(group, [...(this.storms.get(group) ?? []), this.now()]),
    };
  }

  async remove(sandboxId: string): Promise<void> {
    // Whoever starts meanwhile has its folders taken away as well, so that group is not to be kept either.
    for (let group = this.groups.get(sandboxId); group; group = this.groups.get(sandboxId)) {
      this.groups.delete(sandboxId);
      this.limited.delete(group);
      this.storms.delete(group);
      for (const folder of group.folders) await removeGroup(folder);
    }
  }

  private processesOf(group: KernelGroup, { processes }: SandboxLimits): number {
    const recent = (this.storms.get(group) ?? []).filter((at) => this.now() - at < STORM_MS);
    if (recent.length === 0) this.storms.delete(group);
    else this.storms.set(group, recent);
    return Math.min(
      processes,
      Math.max(LEAST_PROCESSES, Math.floor(processes / 2 ** Math.min(recent.length, MOST_HALVINGS))),
    );
  }

  async close(): Promise<void> {
    await Promise.all([...this.groups.keys()].map((sandboxId) => this.remove(sandboxId)));
    for (const folder of this.own) await removeGroup(folder);
  }
}

function settingLimits<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (cause) {
    throw new DomainError('unavailable', 'The limits of the sandbox could not be set', {
      reason: 'sandbox_failed',
      cause,
    });
  }
}

function openAll(files: readonly string[]): number[] {
  const opened: number[] = [];
  try {
    for (const file of files) opened.push(openSync(file, constants.O_WRONLY));
    return opened;
  } catch (error) {
    for (const fd of opened) closeSync(fd);
    throw error;
  }
}

const NO_GROUP: LimitGroup = {
  openEntries: () => [],
  joinedBy: [],
  oomKills: () => 0,
  refusedForks: () => 0,
  noteStorm: () => undefined,
};

const FIX =
  'in a systemd unit set Delegate=yes; in a container give it a /sys/fs/cgroup of its own that it may write to';

/** Where the kernel offers no groups: each command is watched by itself. */
export class NoLimitGroups implements LimitGroups {
  readonly level = 'supervised';
  readonly lacks: string;

  constructor(why: string) {
    this.lacks = `limits are not kept by control groups (${why}): ${FIX}`;
  }

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
