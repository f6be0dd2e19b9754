import { dirname } from 'node:path/posix';
import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import { type Execution, type ExitFacts, type SandboxPlace, SandboxProvider } from '../provider/sandbox-provider.js';
import { checkoutOf } from '../coding-sessions/checkout.js';
import type { WorkspacePath } from '../scope/access-scope.js';
import { WORKSPACE_INSIDE } from '../workspace/located.js';

const SECONDS = 30;
const OUTPUT_BYTES = 16 * 1_048_576;
const STDERR_KEPT = 4_000;

/** What a script exits with where git finds no repository. */
const NO_REPOSITORY = 91;

/**
 * For every script: `emit N` passes on at most N bytes as one part, after a line with their number; `run` remembers that
 * a command in a pipe failed, unless its reader had enough.
 */
const PRELUDE = `
emit() { head -c "$1" > /tmp/part; wc -c < /tmp/part; cat /tmp/part; }
run() { "$@" || { code=$?; [ "$code" -eq 141 ] || echo "$code" > /tmp/failed; }; }
isRepository() { [ "$(git rev-parse --is-inside-work-tree 2> /dev/null)" = true ]; }
needRepository() { isRepository || exit ${NO_REPOSITORY}; }
`;
const EPILOGUE = '\n[ ! -e /tmp/failed ]\n';

/** Wins over the repository's own settings, which whoever works in the sandbox has written. */
const CONFIG: Readonly<Record<string, string>> = {
  'safe.directory': '*',
  'core.hooksPath': '/dev/null',
  'core.fsmonitor': 'false',
  'core.quotePath': 'false',
  'core.pager': 'cat',
  'core.sshCommand': 'false',
  'core.alternateRefsCommand': 'true',
  // Larger files count as binary: git then reads none of them whole.
  'core.bigFileThreshold': '1m',
  // Names that other systems cannot have are no reason to refuse the others.
  'core.protectHFS': 'false',
  'core.protectNTFS': 'false',
  'credential.helper': '',
  'protocol.allow': 'never',
  'submodule.recurse': 'false',
  'gc.auto': '0',
  'maintenance.auto': 'false',
};

export interface ScriptTerms {
  readonly script: string;
  readonly args?: readonly string[];
  /** The work tree; that of a coding session by default. */
  readonly directory?: WorkspacePath;
  /** 30 by default. */
  readonly seconds?: number;
}

/**
 * Git in a checkout that nobody here trusts: hooks, filters, monitors, includes and what else a repository can make git
 * start run inside its own sandbox or not at all, with nothing in reach that the sandbox has not got anyway. Never on
 * the host (sandbox-sessions.md §A11).
 */
@Injectable()
export class SandboxGit {
  constructor(private readonly provider: SandboxProvider) {}

  /**
   * The parts that the script emits. Errors: `conflict` (`no_repository`; `sandbox_stopped` when it was stopped
   * meanwhile; `repository_locked`; `git_failed` with what git says), `timeout`, `unavailable`.
   */
  async parts(
    place: SandboxPlace,
    { script, args = [], directory, seconds = SECONDS }: ScriptTerms,
  ): Promise<Buffer[]> {
    const cwd = inside(directory ?? checkoutOf(place.scope));
    const execution = await this.provider.exec(place, {
      argv: ['/bin/sh', '-c', PRELUDE + script + EPILOGUE, 'git', ...args],
      env: environmentOf(cwd),
      cwd,
      timeoutMs: seconds * 1_000,
      outputBytes: OUTPUT_BYTES,
      isOffline: true,
    });
    await execution.write(null);
    const { stdout, stderr, exit } = await outcomeOf(execution);
    assertSuccess(exit, stderr);
    return partsOf(stdout);
  }
}

function environmentOf(workTree: string): Record<string, string> {
  const config = Object.entries(CONFIG);
  return {
    LC_ALL: 'C.UTF-8',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_LITERAL_PATHSPECS: '0',
    GIT_NO_LAZY_FETCH: '1',
    GIT_CEILING_DIRECTORIES: dirname(workTree),
    // Whatever the repository calls its work tree.
    GIT_WORK_TREE: workTree,
    GIT_CONFIG_COUNT: String(config.length),
    ...Object.fromEntries(
      config.flatMap(([key, value], index) => [
        [`GIT_CONFIG_KEY_${index}`, key],
        [`GIT_CONFIG_VALUE_${index}`, value],
      ]),
    ),
  };
}

function inside(path: WorkspacePath): string {
  return [WORKSPACE_INSIDE, ...path].join('/');
}

async function outcomeOf(execution: Execution): Promise<{ stdout: Buffer; stderr: string; exit: ExitFacts }> {
  const stdout: Buffer[] = [];
  let stderr = '';
  try {
    for await (const { stream, data } of execution.output) {
      if (stream === 'stdout') stdout.push(data);
      else if (stderr.length < STDERR_KEPT) stderr += data.toString('utf8');
    }
    const exit = await execution.exit;
    return { stdout: Buffer.concat(stdout), stderr, exit };
  } catch (error) {
    // The one thing refused only when it starts: the checkout is gone.
    if (error instanceof DomainError && error.field === 'cwd') throw noRepository();
    throw error;
  }
}

function assertSuccess(exit: ExitFacts, stderr: string): void {
  if (exit.timedOut) throw new DomainError('timeout', `git took too long in the sandbox`);
  if (exit.cancelled) throw sandboxUnavailable();
  if (exit.oomKilled) throw gitFailed('it needed more memory than the sandbox has');
  if (exit.code === NO_REPOSITORY) throw noRepository();
  if (/\.lock': File exists/.test(stderr))
    throw new DomainError('conflict', 'Another git command is at work in the sandbox', { reason: 'repository_locked' });
  if (exit.code !== 0 || exit.truncated) throw gitFailed(firstLine(stderr) || `it exited with ${exit.code}`);
}

/** What is not as the prelude writes it comes from a script that something of the repository's has disturbed. */
function partsOf(output: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0; at < output.length;) {
    const end = output.indexOf('\n', at);
    const size = end === -1 ? '' : output.toString('latin1', at, end).trim();
    if (!/^\d{1,9}$/.test(size) || end + 1 + Number(size) > output.length) throw gitFailed('its output was disturbed');
    at = end + 1 + Number(size);
    parts.push(output.subarray(end + 1, at));
  }
  return parts;
}

export function sandboxUnavailable(): DomainError {
  return new DomainError('conflict', 'Sandbox is unavailable. Please resume sandbox.', { reason: 'sandbox_stopped' });
}

function noRepository(): DomainError {
  return new DomainError('conflict', 'There is no git repository in the sandbox', { reason: 'no_repository' });
}

function gitFailed(why: string): DomainError {
  return new DomainError('conflict', `git failed in the sandbox: ${why}`, { reason: 'git_failed' });
}

function firstLine(text: string): string {
  return (text.trim().split('\n')[0] ?? '').replaceAll('\0', '').slice(0, 300);
}
