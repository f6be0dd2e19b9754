import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { type BeforeApplicationShutdown, Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import { Database, PeriodicTasks, untilNone } from '#platform';
import { type AgentEvent, type AgentOutcome, isOutcome, type StoredEvent, type TokenUsage } from './agent-event.js';
import { type AgentRun, isOver, type NewAgentRun, responseNotFound, sessionBusy } from './agent-run.js';
import { AgentRunsRepository, type Ending } from './agent-runs.repository.js';
import { RunFeed } from './run-feed.js';
import { RunLog } from './run-log.js';
import { RunStop } from './run-stop.js';

/** What a run's work is given. */
export interface RunningAgent {
  readonly run: AgentRun;
  /** Aborted with a RunStop: whatever is under way is to be left within a few seconds. */
  readonly signal: AbortSignal;
  /** Tells an event; resolves when the next one may come. */
  emit(event: AgentEvent): Promise<void>;
  /** Ends the run as cancelled: what it works on is going away. */
  stop(): void;
  /** Once the end of the run is stored; at once when it is already. */
  afterEnd(work: () => void): void;
  /** Tokens used so far; counted to the run however it ends. */
  used(usage: TokenUsage): void;
}

export type AgentWork = (agent: RunningAgent) => Promise<AgentOutcome>;

/** What a surface does when a run of its kind ends: in the transaction that ends it, once, wherever that happens. */
export type RunEnded = (run: AgentRun, outcome: AgentOutcome, usage: TokenUsage) => Promise<void>;

interface ActiveRun {
  readonly run: AgentRun;
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

const KEEP_MS = 2_000;
const RECLAIM_MS = 30_000;
const PAGE = 200;
/** How long a follower hears nothing before it looks itself; sooner when the run is another process's, or nobody's. */
const LOOK_MS = 2_000;
const LOOK_AFAR_MS = 500;
const STOP_GRACE_MS = 10_000;
const END_TRIES = 5;

/**
 * Runs of agents: one per slot, each event stored before anybody sees it, followed from any event on by anybody at any
 * time, ended exactly once whatever happens to the process that works on it.
 */
@Injectable()
export class AgentRuns implements OnModuleInit, BeforeApplicationShutdown {
  private readonly log = new Logger(AgentRuns.name);
  private readonly owner = randomUUID();
  private readonly feed = new RunFeed();
  private readonly active = new Map<string, ActiveRun>();
  private readonly kinds = new Map<string, RunEnded>();
  /** A run belongs to no request and joins no transaction. */
  private readonly outside = AsyncLocalStorage.snapshot();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly db: Database,
    private readonly runs: AgentRunsRepository,
    private readonly tasks: PeriodicTasks,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    const run = (signal: AbortSignal): Promise<number> => untilNone(signal, () => this.reclaim());
    this.tasks.register({ name: 'agent-runs.reclaim', everyMs: RECLAIM_MS, run });
  }

  /** Each kind of run is registered once, while the application is built. */
  register(kind: string, ended: RunEnded): void {
    if (this.kinds.has(kind)) throw new Error(`Two kinds of runs are called ${kind}`);
    this.kinds.set(kind, ended);
  }

  /**
   * Takes the slot and stores the first event, in the caller's transaction; the work begins once that is committed.
   * Errors: `conflict` (`session.busy`) while another run has the slot.
   */
  async begin(input: NewAgentRun, work: AgentWork): Promise<AgentRun> {
    if (!this.db.inTransaction) throw new Error('A run begins in the transaction of what it is for');
    while (!(await this.runs.insert(input, this.owner))) {
      const holder = await this.runs.findHolder(input.slot);
      if (!holder) continue;
      if (!holder.isAbandoned || !(await this.abandon(holder))) throw sessionBusy();
    }
    await this.runs.append(input.id, this.owner, [{ seq: 0, data: { type: 'started' } }]);
    const run: AgentRun = { ...input, status: 'running', nextSeq: 1, endedAt: null };
    await this.db.afterCommit(() => this.outside(() => this.launch(run, work)));
    return run;
  }

  find(accountId: string, id: string): Promise<AgentRun | null> {
    return this.runs.find(accountId, id);
  }

  /** Errors: `not_found`, also for another account's. */
  async get(accountId: string, id: string): Promise<AgentRun> {
    const run = await this.find(accountId, id);
    if (!run) throw responseNotFound();
    return run;
  }

  /**
   * What came after event `after` (-1 for everything), then what comes, until the outcome. Ends early when the signal is
   * aborted, or when the run is removed together with its sandbox.
   */
  async *follow(id: string, after: number, signal: AbortSignal): AsyncGenerator<readonly StoredEvent[]> {
    let next = after + 1;
    let isCurrent = false;
    let turn = this.feed.join(id);
    try {
      while (!signal.aborted) {
        let events: readonly StoredEvent[] = [];
        if (isCurrent) {
          const news = await turn.within(this.active.has(id) ? LOOK_MS : LOOK_AFAR_MS, signal);
          turn.leave();
          // Joined at once, so that whatever is told while these are sent is noticed.
          turn = this.feed.join(id);
          if (news?.[0]?.seq === next) events = news;
        }
        if (events.length === 0) {
          events = await this.runs.events(id, next, PAGE);
          isCurrent = events.length < PAGE;
          if (events.length === 0 && !(await this.goesOn(id, next))) return;
        }
        if (events.length === 0) continue;
        yield events;
        next = events.at(-1)!.seq + 1;
        if (events.some(({ data }) => isOutcome(data))) return;
      }
    } finally {
      turn.leave();
    }
  }

  /** What is stored by now, in order. */
  async *told(id: string): AsyncGenerator<readonly StoredEvent[]> {
    for (let next = 0; ; next += PAGE) {
      const events = await this.runs.events(id, next, PAGE);
      yield events;
      if (events.length < PAGE) return;
    }
  }

  /** In a transaction: whether a run has the slot. One whose process is gone is ended by this. */
  async isTaken(slot: string): Promise<boolean> {
    const holder = await this.runs.findHolder(slot);
    if (holder?.isAbandoned) await this.abandon(holder);
    return holder !== null && !holder.isAbandoned;
  }

  /** Answers whether there was anything to cancel. Errors: `not_found`. */
  async cancel(accountId: string, id: string): Promise<boolean> {
    await this.get(accountId, id);
    if (!(await this.runs.requestCancel(id))) return false;
    this.active.get(id)?.stop.abort(new RunStop('cancelled'));
    return true;
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    const active = [...this.active.values()];
    for (const { stop } of active) stop.abort(new RunStop('interrupted'));
    await Promise.all(active.map(({ done }) => done));
  }

  /** Ends runs whose process is gone; answers how many. */
  async reclaim(): Promise<number> {
    const abandoned = await this.runs.findAbandoned(PAGE);
    let ended = 0;
    for (const run of abandoned) if (await this.db.transaction(() => this.abandon(run))) ended += 1;
    return ended;
  }

  private launch(run: AgentRun, work: AgentWork): void {
    const stop = new AbortController();
    const done = this.execute(run, work, stop).finally(() => this.active.delete(run.id));
    this.active.set(run.id, { run, stop, done });
    this.timer ??= setInterval(() => void this.keep(), KEEP_MS).unref();
  }

  private async execute(run: AgentRun, work: AgentWork, stop: AbortController): Promise<void> {
    const log = new RunLog((events) => this.store(run, events, stop), run.nextSeq);
    let usage: TokenUsage = { inputTokens: 0, outputTokens: 0 };
    const afterwards: (() => void)[] = [];
    let hasEnded = false;
    const agent: RunningAgent = {
      run,
      signal: stop.signal,
      emit: (event) => log.add(event),
      stop: () => stop.abort(new RunStop('cancelled')),
      // Work that was given up may get this far after it.
      afterEnd: (last) => (hasEnded ? last() : void afterwards.push(last)),
      used: (tokens) => (usage = tokens),
    };
    const outcome = await this.outcomeOf(agent, work);
    const { events, from } = await log.close();
    await this.tryEnd(run, outcome, usage, [...events, outcome], from);
    hasEnded = true;
    for (const last of afterwards) last();
  }

  private async outcomeOf(agent: RunningAgent, work: AgentWork): Promise<AgentOutcome> {
    const { signal, run } = agent;
    const failed = new Promise<never>((_, reject) => {
      // Work that does not stop when it is told to is left behind.
      const giveUp = (): void => void setTimeout(() => reject(signal.reason as Error), STOP_GRACE_MS).unref();
      signal.addEventListener('abort', giveUp, { once: true });
    });
    try {
      return await Promise.race([work(agent), failed]);
    } catch (error) {
      if (signal.reason instanceof RunStop) return signal.reason.outcome(run, this.clock.now());
      if (error instanceof DomainError)
        return { type: 'failed', error: error.reason ?? error.code, message: error.message };
      this.log.error({ msg: 'a run failed', err: error, runId: run.id });
      return { type: 'failed', error: 'internal', message: 'Internal server error' };
    }
  }

  private async store(run: AgentRun, events: readonly StoredEvent[], stop: AbortController): Promise<boolean> {
    const sign = await this.runs.append(run.id, this.owner, events);
    if (!sign) stop.abort(new RunStop('interrupted'));
    else this.feed.publish(run.id, events);
    if (sign?.isCancelRequested) stop.abort(new RunStop('cancelled'));
    return sign !== null;
  }

  private async tryEnd(
    run: AgentRun,
    outcome: AgentOutcome,
    usage: TokenUsage,
    events: readonly AgentEvent[],
    from: number,
  ): Promise<void> {
    for (let attempt = 1; attempt <= END_TRIES; attempt += 1) {
      try {
        await this.db.transaction(() => this.end(run, { owner: this.owner }, { outcome, usage, events, from }));
        return;
      } catch (error) {
        this.log.warn({ msg: 'the end of a run could not be stored', err: error, runId: run.id, attempt });
        await pause(1_000 * attempt);
      }
    }
    // Its lease runs out now, and whoever meets it ends it.
  }

  private async end(
    run: AgentRun,
    by: Ending,
    end: {
      readonly outcome: AgentOutcome;
      readonly usage: TokenUsage;
      readonly events: readonly AgentEvent[];
      readonly from: number | null;
    },
  ): Promise<boolean> {
    const { outcome } = end;
    const from = await this.runs.end(run.id, by, {
      ...end,
      status: outcome.type,
      error: outcome.type === 'failed' ? outcome.error : null,
      at: this.clock.date(),
    });
    if (from === null) return false;
    await this.kinds.get(run.kind)?.(run, outcome, end.usage);
    const events = end.events.map((data, index) => ({ seq: from + index, data }));
    await this.db.afterCommit(() => this.feed.publish(run.id, events));
    return true;
  }

  private async abandon(run: AgentRun): Promise<boolean> {
    // This process stood still for longer than a lease: it goes on, and keeps its runs again.
    if (this.active.has(run.id)) return false;
    const outcome = new RunStop('interrupted').outcome(run, this.clock.now());
    const usage = { inputTokens: 0, outputTokens: 0 };
    return this.end(run, 'abandoned', { outcome, usage, events: [outcome], from: null });
  }

  /** Whether a run that tells nothing new has something to tell yet. */
  private async goesOn(id: string, next: number): Promise<boolean> {
    const state = await this.runs.findState(id);
    if (!state || (state.isEnded && state.nextSeq <= next)) return false;
    if (!state.isAbandoned) return true;
    await this.db.transaction(async () => {
      const run = await this.runs.findHolder(state.slot);
      if (run?.isAbandoned) await this.abandon(run);
    });
    return true;
  }

  private async keep(): Promise<void> {
    const ids = [...this.active.keys()];
    if (ids.length === 0) return;
    try {
      const own = new Map((await this.runs.keep(this.owner, ids)).map((sign) => [sign.id, sign]));
      for (const id of ids) {
        const active = this.active.get(id);
        if (!own.has(id)) active?.stop.abort(new RunStop('interrupted'));
        else if (own.get(id)?.isCancelRequested) active?.stop.abort(new RunStop('cancelled'));
        else if (active && isOver(active.run, this.clock.now())) active.stop.abort(new RunStop('expired'));
      }
    } catch (error) {
      this.log.warn({ msg: 'runs could not be kept; the next round does it', err: error });
    }
  }
}
