import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import { AppConfig, Database, type Principal, Usage, UsageReports } from '#platform';

export type UsageBucket = 'session_turn' | 'response';

/** What an account used in a window of the clock, and may use; a limit of 0 is none. */
export interface UsageWindow {
  readonly name: 'hour' | 'day';
  readonly seconds: number;
  readonly turns: number;
  readonly maxTurns: number;
  readonly tokens: number;
  readonly maxTokens: number;
}

const HOUR_MS = 3_600_000;

/** Turns and tokens of an account per hour and day of the clock in UTC (sandbox-sessions.md §B1.1). */
@Injectable()
export class TurnLimits implements OnModuleInit {
  constructor(
    private readonly db: Database,
    private readonly usage: Usage,
    private readonly reports: UsageReports,
    private readonly config: AppConfig,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.reports.register((caller) => this.report(caller));
  }

  /** Counts a turn, in the transaction that begins it. Errors: `rate_limited` (`usage.limit`). */
  async admit(accountId: string, bucket: UsageBucket): Promise<void> {
    await this.add(accountId, bucket, 1, 0);
    for (const { name, seconds, turns, maxTurns, tokens, maxTokens } of await this.windows(accountId, bucket)) {
      const isOver = (maxTurns > 0 && turns > maxTurns) || (maxTokens > 0 && tokens >= maxTokens);
      if (!isOver) continue;
      const left = seconds - (Math.floor(this.clock.now() / 1_000) % seconds);
      throw new DomainError('rate_limited', `The limit of turns or tokens per ${name} is reached`, {
        reason: 'usage.limit',
        headers: { 'Retry-After': String(left) },
      });
    }
  }

  /** Counts the tokens of a turn that ended, in the transaction that ends it. */
  async count(accountId: string, bucket: UsageBucket, tokens: number): Promise<void> {
    if (tokens === 0) return;
    await this.add(accountId, bucket, 0, tokens);
    await this.db.afterCommit(() => this.usage.count(accountId, 'agent_tokens', tokens));
  }

  async windows(accountId: string, bucket: UsageBucket): Promise<UsageWindow[]> {
    const hour = this.hour();
    const day = new Date(hour.getTime() - (hour.getTime() % (24 * HOUR_MS)));
    const [row] = await this.db.query<Record<'hourTurns' | 'hourTokens' | 'dayTurns' | 'dayTokens', string>>(
      `select coalesce(sum(turns) filter (where hour = $3), 0) as "hourTurns",
              coalesce(sum(tokens) filter (where hour = $3), 0) as "hourTokens",
              coalesce(sum(turns), 0) as "dayTurns", coalesce(sum(tokens), 0) as "dayTokens"
         from agent_usage where account_id = $1 and bucket = $2 and hour between $4 and $3`,
      [accountId, bucket, hour, day],
    );
    const { AGENT_TURNS_PER_HOUR, AGENT_TURNS_PER_DAY, AGENT_TOKENS_PER_HOUR, AGENT_TOKENS_PER_DAY } = this.config;
    return [
      {
        name: 'hour',
        seconds: 3_600,
        turns: Number(row?.hourTurns),
        maxTurns: AGENT_TURNS_PER_HOUR,
        tokens: Number(row?.hourTokens),
        maxTokens: AGENT_TOKENS_PER_HOUR,
      },
      {
        name: 'day',
        seconds: 86_400,
        turns: Number(row?.dayTurns),
        maxTurns: AGENT_TURNS_PER_DAY,
        tokens: Number(row?.dayTokens),
        maxTokens: AGENT_TOKENS_PER_DAY,
      },
    ];
  }

  /** sandbox-sessions.md §B7, `/v1/usage`. */
  private async report({ accountId, keyId }: Principal): Promise<Record<string, unknown>> {
    const [turn, response] = await Promise.all([
      this.windows(accountId, 'session_turn'),
      this.windows(accountId, 'response'),
    ]);
    const buckets = { session_turn: toWindows(turn), response: toWindows(response) };
    return {
      rate_limit: { caller_id: keyId, buckets },
      credits: { enabled: false, mode: 'off', balance: null },
    };
  }

  private async add(accountId: string, bucket: UsageBucket, turns: number, tokens: number): Promise<void> {
    await this.db.query(
      `insert into agent_usage as known (account_id, bucket, hour, turns, tokens) values ($1, $2, $3, $4, $5)
       on conflict (account_id, bucket, hour)
         do update set turns = known.turns + excluded.turns, tokens = known.tokens + excluded.tokens`,
      [accountId, bucket, this.hour(), turns, tokens],
    );
  }

  private hour(): Date {
    const now = this.clock.now();
    return new Date(now - (now % HOUR_MS));
  }
}

function toWindows(windows: readonly UsageWindow[]): object {
  return {
    windows: windows.map(({ name, seconds, turns, maxTurns, tokens, maxTokens }) => ({
      name,
      duration_seconds: seconds,
      turns,
      max_turns: maxTurns === 0 ? null : maxTurns,
      tokens,
      max_tokens: maxTokens === 0 ? null : maxTokens,
      enabled: maxTurns > 0 || maxTokens > 0,
    })),
  };
}
