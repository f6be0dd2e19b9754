import { DomainError } from '#kernel';
import type { GitRunner } from '../runner/git-runner.js';
import type { TipFacts } from '../runner/operations.js';
import { dropQuarantine } from '../runner/quarantine.js';
import { ZERO_OID } from './git-protocol.js';
import { expectsPack, refuseTogether, type CheckedCommand } from './push-commands.js';
import type { PushRequest } from './receive-pack-request.js';

/** Where a push goes. */
export interface PushScope {
  readonly repo: string;
  /** Object ids of the refs the pusher may see: what the pack may build on. */
  readonly visibleTips: readonly string[];
  /** Largest pack, in bytes. */
  readonly maxBytes: number;
}

/** A push whose pack lies checked in a quarantine; nothing of it is visible yet. */
export interface TakenPush {
  /** For `unpack …` in the report; null when the pack is good. */
  readonly unpackError: string | null;
  readonly commands: readonly CheckedCommand[];
  /** To be published (`publishPacks`) or dropped (`dropQuarantine`) by the caller; null when there is nothing to keep. */
  readonly quarantine: string | null;
  readonly packs: readonly string[];
  /** Facts about each new id, by id: its type and what a tag points to. */
  readonly tips: ReadonlyMap<string, TipFacts>;
  readonly packBytes: number;
  /** How many objects the client sent. */
  readonly packObjects: number;
}

/** Beyond this many new tips nobody sorts the whole ones from the others: each takes a walk of its own. */
const MOST_SINGLE_WALKS = 100;
const MISSING = 'missing necessary objects';

/**
 * Takes the pack of a push and checks it: well-formed, clean by git's own rules, and complete over refs the pusher may
 * see. Only commands without a refusal are considered; if all are refused, the pack is read and thrown away.
 * @throws payload_too_large, timeout, unavailable; a bad pack is a result, not an error
 */
export async function takePush(
  runner: GitRunner,
  scope: PushScope,
  push: { request: PushRequest; commands: readonly CheckedCommand[] },
  signal?: AbortSignal,
): Promise<TakenPush> {
  const { request } = push;
  const commands = request.capabilities.atomic ? refuseTogether(push.commands) : [...push.commands];
  const nothing = {
    unpackError: null,
    commands,
    quarantine: null,
    packs: [],
    tips: new Map(),
    packBytes: 0,
    packObjects: 0,
  };
  if (!expectsPack(commands)) return nothing;
  if (!commands.some((command) => command.refusal === null && command.kind !== 'delete')) {
    await discard(request, scope.maxBytes);
    return nothing;
  }
  try {
    const indexed = await runner.indexPack({ repo: scope.repo, maxBytes: scope.maxBytes }, request.pack, signal);
    return await connect(runner, scope, { indexed, commands, atomic: request.capabilities.atomic }, signal);
  } catch (error) {
    if (!(error instanceof DomainError) || error.reason !== 'bad_pack') throw error;
    const refusal = `unpack failed: ${error.message}`;
    return { ...nothing, unpackError: error.message, commands: refuseOpen(commands, () => refusal) };
  }
}

async function connect(
  runner: GitRunner,
  scope: PushScope,
  pushed: {
    indexed: Awaited<ReturnType<GitRunner['indexPack']>>;
    commands: readonly CheckedCommand[];
    atomic: boolean;
  },
  signal?: AbortSignal,
): Promise<TakenPush> {
  const { indexed } = pushed;
  try {
    const tips = await connectedTips(runner, scope, { indexed, commands: pushed.commands }, signal);
    const checked = refuseOpen(pushed.commands, (command) => objectRefusal(command, tips));
    const commands = pushed.atomic ? refuseTogether(checked) : checked;
    const isKept = commands.some((command) => command.refusal === null && command.kind !== 'delete');
    if (!isKept && indexed.quarantine !== null) await dropQuarantine(scope.repo, indexed.quarantine);
    return {
      unpackError: null,
      commands,
      quarantine: isKept ? indexed.quarantine : null,
      packs: isKept ? indexed.packs : [],
      tips,
      packBytes: indexed.bytes,
      packObjects: indexed.objects,
    };
  } catch (error) {
    if (indexed.quarantine !== null) await dropQuarantine(scope.repo, indexed.quarantine);
    throw error;
  }
}

/** The facts of every new tip that is complete; all at once, and one by one only when that fails. */
async function connectedTips(
  runner: GitRunner,
  scope: PushScope,
  pushed: { indexed: Awaited<ReturnType<GitRunner['indexPack']>>; commands: readonly CheckedCommand[] },
  signal?: AbortSignal,
): Promise<Map<string, TipFacts>> {
  const open = pushed.commands.filter(({ refusal, newSha }) => refusal === null && newSha !== ZERO_OID);
  const newTips = [...new Set(open.map((command) => command.newSha))];
  const ask = async (tips: readonly string[]): Promise<readonly TipFacts[] | null> => {
    const { quarantine, objects } = pushed.indexed;
    const verdict = await runner.connectivity(
      { repo: scope.repo, quarantine, sentObjects: objects, newTips: tips, visibleTips: scope.visibleTips },
      signal,
    );
    return verdict.connected ? verdict.tips : null;
  };
  const together = await ask(newTips);
  const facts: TipFacts[] = [...(together ?? [])];
  if (together === null && newTips.length > 1 && newTips.length <= MOST_SINGLE_WALKS)
    for (const tip of newTips) facts.push(...((await ask([tip])) ?? []));
  return new Map(facts.map((tip) => [tip.sha, tip]));
}

function objectRefusal({ newSha, ref, kind }: CheckedCommand, tips: ReadonlyMap<string, TipFacts>): string | null {
  if (kind === 'delete') return null;
  const tip = tips.get(newSha);
  if (!tip) return MISSING;
  return ref.startsWith('refs/heads/') && tip.type !== 'commit' ? 'invalid SHA' : null;
}

function refuseOpen(
  commands: readonly CheckedCommand[],
  refusal: (command: CheckedCommand) => string | null,
): CheckedCommand[] {
  return commands.map((command) => (command.refusal === null ? { ...command, refusal: refusal(command) } : command));
}

/** The client reads the report only after it has sent its pack. */
async function discard(request: PushRequest, maxBytes: number): Promise<void> {
  let bytes = 0;
  for await (const chunk of request.pack as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new DomainError('payload_too_large', packTooLarge(maxBytes));
  }
}

function packTooLarge(maxBytes: number): string {
  return `Pack exceeds ${Math.floor(maxBytes / 1_048_576)} MB limit`;
}
