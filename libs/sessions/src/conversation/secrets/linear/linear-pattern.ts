import { CharSet, isWordUnit } from './char-set.js';
import { parsePattern, PatternRefused, type Assertion, type Node } from './pattern-syntax.js';

/** The size of a compiled pattern, and so the most work one character can cause. */
const MAX_INSTRUCTIONS = 1000;
/** The time limit, in steps rather than seconds so that it falls the same on every machine. */
const STEPS_PER_UNIT = 100;
const FREE_STEPS = 5_000_000;

type Instruction =
  | { readonly op: 'chars'; readonly set: CharSet }
  | { readonly op: 'assert'; readonly what: Assertion }
  | { op: 'split'; first: number; second: number }
  | { op: 'jump'; to: number }
  | { readonly op: 'match' };

export interface Range {
  readonly start: number;
  readonly end: number;
}

/** A pattern took more steps than its text allows. The text was not searched to its end: treat it as unsearched. */
export class PatternTooSlow extends Error {
  constructor() {
    super('The pattern takes too many steps on this text');
    this.name = 'PatternTooSlow';
  }
}

/**
 * A regular expression that runs in time linear in the text: a set of threads moves over it once, one per place in the
 * pattern (Pike's machine), with the priorities of a backtracking engine, so matches are the usual ones. Patterns of
 * users run here and never on the engine's own RegExp, where `(a+)+$` takes years.
 */
export class LinearPattern {
  private readonly program: readonly Instruction[];
  /** What a match can begin with: everything else is skipped without a thread. */
  private readonly beginnings: CharSet;

  /** Throws PatternRefused when the source is outside the subset, too large, or matches the empty text. */
  constructor(readonly source: string) {
    const program: Instruction[] = [];
    emit(parsePattern(source), program);
    program.push({ op: 'match' });
    this.program = program;
    this.beginnings = beginnings(program);
    if (this.search('', 0, budget(0)) !== null) throw new PatternRefused('Matches the empty text', 0);
  }

  /** The matches from left to right, not overlapping. Throws PatternTooSlow. */
  *matches(text: string): Generator<Range> {
    const steps = budget(text.length);
    let from = 0;
    while (from < text.length) {
      const found = this.search(text, from, steps);
      if (found === null) return;
      if (found.end > found.start) yield found;
      from = Math.max(found.end, found.start + 1, from + 1);
    }
  }

  private search(text: string, from: number, steps: StepBudget): Range | null {
    const beginning = this.nextBeginning(text, from);
    if (beginning === text.length && text.length > 0) return null;
    let current = new Threads(this.program.length);
    let next = new Threads(this.program.length);
    let found: Range | null = null;
    for (let at = beginning; at <= text.length; at += 1) {
      if (current.size === 0 && found === null) at = this.nextBeginning(text, at);
      if (found === null) this.enter(current, { text, at, steps }, 0, at);
      if (current.size === 0 && found !== null) break;
      found = this.step(current, next, { text, at, steps }) ?? found;
      [current, next] = [next, current];
      next.clear();
    }
    return found;
  }

  private nextBeginning(text: string, from: number): number {
    let at = from;
    while (at < text.length && !this.beginnings.has(text.charCodeAt(at))) at += 1;
    return at;
  }

  /** Moves every thread over the unit at `at`; a thread that has matched ends those of lower priority. */
  private step(current: Threads, next: Threads, place: Place): Range | null {
    const unit = place.text.charCodeAt(place.at);
    for (let index = 0; index < current.size; index += 1) {
      const pc = current.pcs[index] ?? 0;
      const start = current.starts[index] ?? 0;
      const instruction = this.program[pc];
      place.steps.spend();
      if (instruction?.op === 'match') return { start, end: place.at };
      if (instruction?.op === 'chars' && place.at < place.text.length && instruction.set.has(unit)) {
        this.enter(next, { ...place, at: place.at + 1 }, pc + 1, start);
      }
    }
    return null;
  }

  /** Adds a thread and, in order of priority, what it reaches without reading. */
  private enter(threads: Threads, place: Place, pc: number, start: number): void {
    const waiting = [pc];
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      if (!threads.visit(at)) continue;
      place.steps.spend();
      const instruction = this.program[at];
      if (instruction?.op === 'jump') waiting.push(instruction.to);
      else if (instruction?.op === 'split') waiting.push(instruction.second, instruction.first);
      else if (instruction?.op !== 'assert') threads.add(at, start);
      else if (holds(instruction.what, place)) waiting.push(at + 1);
    }
  }
}

interface Place {
  readonly text: string;
  readonly at: number;
  readonly steps: StepBudget;
}

/** Threads in order of priority, at most one per instruction. */
class Threads {
  readonly pcs: Int32Array;
  readonly starts: Int32Array;
  size = 0;
  private readonly visited: Int32Array;
  private round = 1;

  constructor(length: number) {
    this.pcs = new Int32Array(length);
    this.starts = new Int32Array(length);
    this.visited = new Int32Array(length);
  }

  visit(pc: number): boolean {
    if (this.visited[pc] === this.round) return false;
    this.visited[pc] = this.round;
    return true;
  }

  add(pc: number, start: number): void {
    this.pcs[this.size] = pc;
    this.starts[this.size] = start;
    this.size += 1;
  }

  clear(): void {
    this.size = 0;
    this.round += 1;
  }
}

class StepBudget {
  constructor(private left: number) {}

  spend(): void {
    this.left -= 1;
    if (this.left < 0) throw new PatternTooSlow();
  }
}

const budget = (length: number): StepBudget => new StepBudget(FREE_STEPS + STEPS_PER_UNIT * length);

/** The union of all sets that can be read first, assertions taken to hold. */
function beginnings(program: readonly Instruction[]): CharSet {
  const seen = new Set<number>();
  const waiting = [0];
  let set = new CharSet([]);
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    if (seen.has(at)) continue;
    seen.add(at);
    const instruction = program[at];
    if (instruction?.op === 'chars') set = set.union(instruction.set);
    else if (instruction?.op === 'assert') waiting.push(at + 1);
    else if (instruction?.op === 'jump') waiting.push(instruction.to);
    else if (instruction?.op === 'split') waiting.push(instruction.first, instruction.second);
  }
  return set;
}

function holds(what: Assertion, { text, at }: Place): boolean {
  if (what === 'start') return at === 0;
  if (what === 'end') return at === text.length;
  const before = at > 0 && isWordUnit(text.charCodeAt(at - 1));
  const after = at < text.length && isWordUnit(text.charCodeAt(at));
  return (before !== after) === (what === 'word_boundary');
}

function emit(node: Node, program: Instruction[]): void {
  if (program.length > MAX_INSTRUCTIONS) throw new PatternRefused('Too large once its repetitions are written out', 0);
  switch (node.kind) {
    case 'chars':
      program.push({ op: 'chars', set: node.set });
      break;
    case 'assert':
      program.push({ op: 'assert', what: node.what });
      break;
    case 'sequence':
      for (const item of node.items) emit(item, program);
      break;
    case 'choice':
      emitChoice(node.options, program);
      break;
    case 'repeat':
      emitRepeat(node, program);
      break;
  }
}

function emitChoice(options: readonly Node[], program: Instruction[]): void {
  const ends: { op: 'jump'; to: number }[] = [];
  for (const [index, option] of options.entries()) {
    if (index === options.length - 1) {
      emit(option, program);
      continue;
    }
    const split = { op: 'split' as const, first: program.length + 1, second: 0 };
    program.push(split);
    emit(option, program);
    const end = { op: 'jump' as const, to: 0 };
    program.push(end);
    ends.push(end);
    split.second = program.length;
  }
  for (const end of ends) end.to = program.length;
}

function emitRepeat({ item, min, max, lazy }: Extract<Node, { kind: 'repeat' }>, program: Instruction[]): void {
  for (let count = 0; count < min; count += 1) emit(item, program);
  if (max === Infinity) {
    const loop = program.length;
    const leave = fork(program, lazy);
    emit(item, program);
    program.push({ op: 'jump', to: loop });
    leave(program.length);
    return;
  }
  const leaves: ((to: number) => void)[] = [];
  for (let count = min; count < max; count += 1) {
    leaves.push(fork(program, lazy));
    emit(item, program);
  }
  for (const leave of leaves) leave(program.length);
}

/** Emits the choice between one more round and leaving; answers how to say where leaving leads. */
function fork(program: Instruction[], lazy: boolean): (to: number) => void {
  const split = { op: 'split' as const, first: program.length + 1, second: program.length + 1 };
  program.push(split);
  return (to) => {
    if (lazy) split.first = to;
    else split.second = to;
  };
}
