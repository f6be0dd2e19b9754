import { randomBytes } from 'node:crypto';
import type { Random } from '../../crash/random.js';
import type { TestAccount } from '../client.js';
import type { Heard, WatchedRequests } from './watched-requests.js';

/** A sandbox that somebody in the storm has made. */
export interface StormSandbox {
  readonly id: string;
  readonly surface: 'agent' | 'coding';
  readonly tenant: Tenant;
  /** Whoever deletes it says so before: what is asked of it from then on may find nothing. */
  isLeaving: boolean;
  /** Ids that came with answers, the newest last. */
  readonly executions: string[];
  readonly responses: string[];
  readonly chats: string[];
  snapshotId: string | null;
}

export interface Tenant {
  readonly client: TestAccount;
  readonly sandboxes: StormSandbox[];
}

/** What all in the storm know. */
export interface StormWorld {
  readonly requests: WatchedRequests;
  readonly tenants: readonly Tenant[];
  readonly logs: FollowedLogs;
  /** SIGKILL for the sandbox runner. */
  readonly killRunner: () => void;
  /** Ids of all sandboxes there were. */
  readonly known: Set<string>;
}

/** Whoever acts: one thing after the other, with dice of its own. */
export interface Actor {
  readonly dice: Random;
  readonly tenant: Tenant;
  readonly files: OwnFiles;
}

const MOST_KNOWN = 12;

export function remember(known: string[], id: unknown): void {
  if (typeof id !== 'string' || known.includes(id)) return;
  known.push(id);
  if (known.length > MOST_KNOWN) known.shift();
}

export function newSandbox(
  { known }: StormWorld,
  tenant: Tenant,
  surface: StormSandbox['surface'],
  id: string,
): StormSandbox {
  const made = { id, surface, tenant, isLeaving: false, executions: [], responses: [], chats: [], snapshotId: null };
  tenant.sandboxes.push(made);
  known.add(id);
  return made;
}

export function forget(sandbox: StormSandbox): void {
  const { sandboxes } = sandbox.tenant;
  if (sandboxes.includes(sandbox)) sandboxes.splice(sandboxes.indexOf(sandbox), 1);
}

export function jsonOf({ bytes }: Heard): Record<string, unknown> {
  return JSON.parse(bytes.toString()) as Record<string, unknown>;
}

/**
 * Files of a workspace that one actor alone writes, each with what it may hold: what was acknowledged last, and what a
 * client sent in whole without having heard the answer. Half of a content is never among it.
 */
export class OwnFiles {
  private readonly contents = new Map<string, Set<string | null>>();
  private made = 0;

  constructor(private readonly owner: string) {}

  /** One that exists, or a new one. */
  pick(dice: Random): string {
    const known = [...this.contents.keys()];
    if (known.length > 0 && dice.chance(0.6)) return dice.pick(known);
    this.made += 1;
    const path = `storm/${this.owner}/${this.made}.txt`;
    this.contents.set(path, new Set([null]));
    return path;
  }

  get paths(): string[] {
    return [...this.contents.keys()];
  }

  mayHold(path: string): ReadonlySet<string | null> {
    return this.contents.get(path)!;
  }

  settle(path: string, content: string | null): void {
    this.contents.set(path, new Set([content]));
  }

  doubt(path: string, content: string | null): void {
    this.contents.get(path)!.add(content);
  }
}

export function newContent(dice: Random): string {
  const length = dice.chance(0.2) ? dice.between(100_000, 600_000) : dice.between(1, 3_000);
  return randomBytes(12)
    .toString('hex')
    .repeat(Math.ceil(length / 24));
}

interface Frame {
  readonly id: number;
  readonly event: string;
  readonly text: string;
}

/** What each command and each response told its readers, which tell everybody the same. */
export class FollowedLogs {
  private readonly told = new Map<string, Map<number, string>>();

  constructor(private readonly requests: WatchedRequests) {}

  /**
   * One reader's stream, behind event `after`: its numbers without gaps, the same as every other reader's, and unless the
   * reader went, one of `ends` at its end, once. Answers the last event, or null.
   */
  take(id: string, heard: Heard, after: number, ends: readonly string[]): Frame | null {
    const frames = framesOf(heard.bytes.toString());
    const told = this.told.get(id) ?? new Map<number, string>();
    this.told.set(id, told);
    frames.forEach((frame, index) => {
      if (frame.id !== after + 1 + index)
        throw this.requests.failure(`${id}: event ${frame.id} at place ${after + 1 + index}`);
      const before = told.get(frame.id);
      // How a command ended is not known any more once its session is gone.
      const isSame = before === undefined || before === frame.text || [before, frame.text].some(isOfGoneSession);
      if (!isSame) throw this.requests.failure(`${id}: event ${frame.id} was\n${before}\nand is\n${frame.text}`);
      told.set(frame.id, frame.text);
    });
    const ended = frames.filter(({ event }) => ends.includes(event));
    const isWhole = ended.length === 1 && ended[0] === frames.at(-1);
    const isPastEnd =
      frames.length === 0 && after > 0 && ends.some((end) => told.get(after)?.includes(`event: ${end}\n`));
    if (!isWhole && !isPastEnd && !(heard.isCut && ended.length <= 1))
      throw this.requests.failure(
        `${id}: ended ${ended.length} times behind ${after}:\n${heard.bytes.toString().slice(-1_000)}`,
      );
    return frames.at(-1) ?? null;
  }

  /** The number of an event that somebody has seen. */
  seen(id: string, dice: Random): number | null {
    const numbers = [...(this.told.get(id)?.keys() ?? [])];
    return numbers.length === 0 ? null : dice.pick(numbers);
  }
}

const isOfGoneSession = (text: string): boolean => text.includes('session_destroyed');

function framesOf(text: string): Frame[] {
  return text
    .split('\n\n')
    .slice(0, -1)
    .filter((frame) => frame.startsWith('id: '))
    .map((frame) => ({
      id: Number(/^id: (\d+)$/m.exec(frame)?.[1]),
      event: /^event: (.+)$/m.exec(frame)?.[1] ?? '',
      text: frame,
    }));
}
