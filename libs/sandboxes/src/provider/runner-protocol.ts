import type { EgressDoor } from '../egress/egress-door.js';
import type { Mount } from './mount-plan.js';
import type { SandboxCommand, SandboxLimits, SandboxSupport } from './sandbox-provider.js';
import type { WorkspacePath } from '../scope/access-scope.js';

/**
 * What the server and `apps/runner` say to each other about sandboxes. Types only, so that the runner loads nothing of
 * this lib. `exec` is one connection in frames both ways, closed with the command: `ExecRequest` in the first frame;
 * a failure to start is answered as an error, all else in frames.
 */
export interface SandboxOperations {
  exec: { params: ExecRequest; result: never };
  stop: { params: { readonly sandboxId: string }; result: null };
  support: { params: null; result: SandboxSupport };
  usage: { params: { readonly workspace: string }; result: number };
}

/** A sandbox as the server describes it to the runner. */
export interface PlacedSandbox {
  readonly id: string;
  /** Absolute path of its account's workspace. */
  readonly workspace: string;
  /** In the order of `mountPlan`. */
  readonly mounts: readonly Mount[];
  /** Its home. */
  readonly ownDirectory: WorkspacePath;
  readonly limits: SandboxLimits;
  /** Its way to the network; null for none. */
  readonly egress: EgressDoor | null;
}

export interface ExecRequest {
  readonly sandbox: PlacedSandbox;
  readonly command: SandboxCommand;
}

/** To the runner: command, to begin, input and its end, a signal's name, to cancel. One input waits to be taken at a time. */
export type CommandFrame = 'c' | 'b' | 'i' | 'e' | 's' | 'k';
/** From the runner: output of either stream, input taken, exit facts or the failure that stands in for them. */
export type ReportFrame = 'o' | 'e' | 't' | 'x' | 'f';
