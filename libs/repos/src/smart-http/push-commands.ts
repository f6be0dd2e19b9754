import { isValidRefName } from '../ref-names.js';
import { ZERO_OID } from './git-protocol.js';
import type { PushCommand } from './receive-pack-request.js';

export type PushKind = 'create' | 'update' | 'delete';

/** A command that has been looked at: what it does, and why it is refused if it is. */
export interface CheckedCommand extends PushCommand {
  readonly kind: PushKind;
  /** A reason of contract 15.4 for `ng`, or null while nothing speaks against it. */
  readonly refusal: string | null;
}

export const CONCURRENT_UPDATE = 'concurrent update, retry push';
export const DEFAULT_BRANCH_KEPT = 'deletion of the default branch prohibited';
export const ATOMIC_FAILED = 'atomic push failed';

/**
 * What can be said about commands without looking at the repository: only branches and tags by valid names, each named
 * once, and something to do. The default branch cannot be deleted.
 */
export function checkPushCommands(
  commands: readonly PushCommand[],
  { defaultBranch }: { defaultBranch: string },
): CheckedCommand[] {
  const named = new Map<string, number>();
  for (const { ref } of commands) named.set(ref, (named.get(ref) ?? 0) + 1);
  return commands.map((command) => {
    const kind = kindOf(command);
    return { ...command, kind: kind ?? 'update', refusal: refusalOf(command, kind, named, defaultBranch) };
  });
}

/** Why a command does not fit the ref's present id (null: the ref does not exist), or null when it does. */
export function compareWithCurrent(command: PushCommand, current: string | null): string | null {
  return command.oldSha === (current ?? ZERO_OID) ? null : CONCURRENT_UPDATE;
}

/** With `atomic` one refusal refuses all; commands that already have a reason keep it. */
export function refuseTogether(commands: readonly CheckedCommand[]): CheckedCommand[] {
  if (commands.every((command) => command.refusal === null)) return [...commands];
  return commands.map((command) => ({ ...command, refusal: command.refusal ?? ATOMIC_FAILED }));
}

/** Whether the client sends a pack behind these commands: it does unless all of them delete. */
export function expectsPack(commands: readonly PushCommand[]): boolean {
  return commands.some((command) => command.newSha !== ZERO_OID);
}

function kindOf({ oldSha, newSha }: PushCommand): PushKind | null {
  if (oldSha === newSha) return null;
  if (oldSha === ZERO_OID) return 'create';
  return newSha === ZERO_OID ? 'delete' : 'update';
}

function refusalOf(
  { ref }: PushCommand,
  kind: PushKind | null,
  named: ReadonlyMap<string, number>,
  defaultBranch: string,
): string | null {
  if (!isValidRefName(ref)) return 'invalid ref name';
  if (kind === null) return 'invalid SHA';
  if ((named.get(ref) ?? 0) > 1) return 'multiple updates of one ref';
  return kind === 'delete' && ref === defaultBranch ? DEFAULT_BRANCH_KEPT : null;
}
