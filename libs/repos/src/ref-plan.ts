import { refParents } from './ref-names.js';
import type { RefUpdate } from './ref.js';

/**
 * `moved`: the ref is not where `expected` says. `clash`: the new name is a directory of, or below, an existing ref.
 * `gone`: the repository was deleted. Only `done` changes anything.
 */
export type RefOutcome = 'done' | 'moved' | 'clash' | 'gone';

export interface RefPlan {
  /** By ref name. */
  readonly outcomes: ReadonlyMap<string, RefOutcome>;
  /** The updates whose outcome is `done`, deletions first. */
  readonly applied: readonly RefUpdate[];
}

/**
 * What becomes of updates of different refs, each judged on its own, when the refs named stand at `current` and
 * `names` are all refs of the repository. Deletions come first: they make room for names below or above them.
 */
export function planRefUpdates(
  updates: readonly RefUpdate[],
  current: ReadonlyMap<string, string>,
  names: Iterable<string>,
): RefPlan {
  const taken = new TakenNames(names);
  const outcomes = new Map<string, RefOutcome>();
  const applied: RefUpdate[] = [];
  const inOrder = updates.toSorted((a, b) => Number(b.target === null) - Number(a.target === null));
  for (const update of inOrder) {
    const outcome = outcomeOf(update, current.get(update.name) ?? null, taken);
    outcomes.set(update.name, outcome);
    if (outcome !== 'done') continue;
    applied.push(update);
    if (update.target === null) taken.remove(update.name);
    else if (!current.has(update.name)) taken.add(update.name);
  }
  return { outcomes, applied };
}

function outcomeOf({ name, expected, target }: RefUpdate, sha: string | null, taken: TakenNames): RefOutcome {
  const isThere = sha !== null;
  if (expected === 'any' ? target === null && !isThere : sha !== expected) return 'moved';
  return !isThere && taken.clashesWith(name) ? 'clash' : 'done';
}

/** Names of refs, and how many of them each directory holds. */
class TakenNames {
  private readonly names = new Set<string>();
  private readonly directories = new Map<string, number>();

  constructor(names: Iterable<string>) {
    for (const name of names) this.add(name);
  }

  add(name: string): void {
    this.names.add(name);
    for (const parent of refParents(name)) this.directories.set(parent, (this.directories.get(parent) ?? 0) + 1);
  }

  remove(name: string): void {
    this.names.delete(name);
    for (const parent of refParents(name)) this.directories.set(parent, (this.directories.get(parent) ?? 0) - 1);
  }

  clashesWith(name: string): boolean {
    return (this.directories.get(name) ?? 0) > 0 || refParents(name).some((parent) => this.names.has(parent));
  }
}
