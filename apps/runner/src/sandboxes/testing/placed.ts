import { mkdtempSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  AccessScope,
  type ExitFacts,
  mountPlan,
  type PlacedSandbox,
  type SandboxCommand,
  type SandboxLimits,
  toFileAccess,
} from '#sandboxes';
import type { BubblewrapSandboxes } from '../bubblewrap-sandboxes.js';

const MEBIBYTE = 1_048_576;

export const LIMITS: SandboxLimits = {
  memoryBytes: 256 * MEBIBYTE,
  processes: 64,
  cpus: 1,
  scratchBytes: 16 * MEBIBYTE,
  diskBytes: 64 * MEBIBYTE,
};

export interface Ran {
  readonly exit: ExitFacts;
  readonly stdout: string;
  readonly stderr: string;
}

export function newWorkspace(): string {
  return realpathSync(mkdtempSync(join(tmpdir(), 'roundhouse-sandbox-')));
}

export function placed(workspace: string, id: string, access?: unknown, limits = LIMITS): PlacedSandbox {
  const scope = new AccessScope(id, toFileAccess(access));
  return { id, workspace, mounts: mountPlan(scope), ownDirectory: scope.ownDirectory, limits, egress: null };
}

export function commandOf(argv: readonly string[], more: Partial<SandboxCommand> = {}): SandboxCommand {
  return { argv, env: {}, timeoutMs: 30_000, outputBytes: MEBIBYTE, ...more };
}

/** Runs a command to its end, with nothing to read. */
export async function run(
  sandboxes: BubblewrapSandboxes,
  sandbox: PlacedSandbox,
  argv: readonly string[],
  more: Partial<SandboxCommand> = {},
): Promise<Ran> {
  const execution = sandboxes.exec(sandbox, commandOf(argv, more));
  await execution.write(null);
  const [texts, exit] = await Promise.all([textsOf(execution.output), execution.exit]);
  return { exit, ...texts };
}

export async function textsOf(
  output: AsyncIterable<{ readonly stream: 'stdout' | 'stderr'; readonly data: Buffer }>,
): Promise<{ stdout: string; stderr: string }> {
  const texts = { stdout: '', stderr: '' };
  for await (const { stream, data } of output) texts[stream] += data.toString();
  return texts;
}
