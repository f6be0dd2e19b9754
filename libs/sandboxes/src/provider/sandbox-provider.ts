import type { ModelDoor } from '../model-door/model-door.js';
import type { AccessScope } from '../scope/access-scope.js';
import type { SessionSkill } from '../skills/skill.js';

/** Where a sandbox lives: its account's workspace on this machine, and what it sees of it. */
export interface SandboxPlace {
  /** Absolute path of the workspace. */
  readonly workspace: string;
  readonly scope: AccessScope;
  /** Shown to its commands, read-only; none when left out. */
  readonly skills?: readonly SessionSkill[];
  readonly limits: SandboxLimits;
}

export interface SandboxLimits {
  readonly memoryBytes: number;
  readonly processes: number;
  /** Cores, in fractions too. */
  readonly cpus: number;
  /** Of each of the folders that live in memory: /tmp and /dev/shm. */
  readonly scratchBytes: number;
  /** Of the whole workspace on disk, whichever of its sandboxes wrote it. */
  readonly diskBytes: number;
}

export interface SandboxCommand {
  /** Never a line for a shell. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Absolute, inside the sandbox; the sandbox's own directory when left out. */
  readonly cwd?: string;
  readonly timeoutMs: number;
  /** Without a way to the network, also where the sandbox has one. */
  readonly isOffline?: boolean;
  /** Its way to a model; none when left out. */
  readonly model?: ModelDoor;
  /** A socket of the server's from which its ports are reached; none when left out. */
  readonly entrance?: string;
  /** Of both streams together; what exceeds it is read and dropped, so that the command can end. */
  readonly outputBytes: number;
  /** Its sandbox is made now, but nothing of it runs before `begin`. */
  readonly isHeld?: boolean;
}

export type OutputStream = 'stdout' | 'stderr';

export interface OutputChunk {
  /** 1 for the first chunk of an execution, then without gaps. */
  readonly seq: number;
  readonly stream: OutputStream;
  readonly data: Buffer;
}

/** How a command ended, told once. */
export interface ExitFacts {
  /** What the command exited with; 128 + n after signal n. */
  readonly code: number;
  readonly signal: NodeJS.Signals | null;
  readonly timedOut: boolean;
  /** The kernel or the supervisor ended a process of the sandbox for its memory while the command ran. */
  readonly oomKilled: boolean;
  /** The supervisor ended the command for the number of its processes. */
  readonly tooManyProcesses: boolean;
  /** The command was ended because the workspace had no room left for it, or for one of its files. */
  readonly diskFull: boolean;
  /** It was cancelled, or its sandbox was stopped. */
  readonly cancelled: boolean;
  readonly truncated: boolean;
  readonly durationMs: number;
}

/** A running command. Its output must be read or it waits. */
export interface Execution {
  readonly output: AsyncIterable<OutputChunk>;
  /** Settles once the last process of the command is gone; rejects with `unavailable` when it could not be started. */
  readonly exit: Promise<ExitFacts>;
  /** Lets a held command run; one that was cancelled before never does. */
  begin(): void;
  /** Gives the command input; the last call says that there is no more. Resolves when more can be taken. */
  write(data: Buffer | null): Promise<void>;
  /** To every process of the command; those that are gone do not mind. */
  signal(name: NodeJS.Signals): void;
  /** SIGTERM, a moment of grace, SIGKILL. Safe to call twice. */
  cancel(): void;
}

/** How the limits of a sandbox are kept: by the kernel for the whole of it, or by looking at each command's processes. */
export type LimitLevel = 'cgroup-v2' | 'cgroup-v1' | 'supervised';

/** Whether commands can run on this machine, and how well they are kept. */
export type SandboxSupport =
  | {
      readonly isAvailable: true;
      readonly level: LimitLevel;
      /** Why there is no better level, with what to do about it; null where the kernel keeps the limits. */
      readonly lacks: string | null;
      /** The user of this machine as whom sandboxes run: what gets out of one is no more than that. */
      readonly uid: number;
    }
  | { readonly isAvailable: false; /** With what to do about it. */ readonly reason: string };

/** Runs commands apart from the machine and from each other. Does no bookkeeping: callers know which sandboxes exist. */
export abstract class SandboxProvider {
  abstract support(): Promise<SandboxSupport>;

  /**
   * Starts a command; its sandbox needs no start of its own. Errors: `unavailable` (`sandboxes_unavailable` with the
   * cause and the fix), `conflict` (`scope_changed`), `invalid_input` for what no program can be given.
   */
  abstract exec(place: SandboxPlace, command: SandboxCommand): Promise<Execution>;

  /** Ends every command of the sandbox; resolves when none of its processes is left. Its files stay. */
  abstract stop(sandboxId: string): Promise<void>;

  /** Bytes that a workspace holds on disk, whoever wrote them. Walks through all of it. */
  abstract diskUsage(workspace: string): Promise<number>;

  /** Ends everything; for the end of this process. */
  abstract close(): Promise<void>;
}
