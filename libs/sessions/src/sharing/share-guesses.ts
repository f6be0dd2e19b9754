import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import { Database, PeriodicTasks } from '#platform';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

interface Bucket {
  readonly name: string;
  /** Wrong guesses within a window. */
  readonly limit: number;
  readonly windowMs: number;
}

/** Few enough that a short password holds; more for a link than for an address, so that one guesser locks out no others. */
const bucketsOf = (linkId: string, address: string): readonly Bucket[] => [
  { name: `address:${address}`, limit: 10, windowMs: 15 * MINUTE_MS },
  { name: `link:${linkId}`, limit: 50, windowMs: HOUR_MS },
];

/**
 * Limits wrong passwords per address and per link. Counted in the database before the password is looked at: guesses at
 * once, on any node, before or after a restart, are never more than the limit.
 */
@Injectable()
export class ShareGuesses implements OnModuleInit {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly periodic: PeriodicTasks,
  ) {}

  onModuleInit(): void {
    const name = 'sessions.forget-share-guesses';
    this.periodic.register({ name, everyMs: HOUR_MS, run: () => this.forgetOld() });
  }

  /** Whether `guess` is right; only wrong ones count. Errors: `rate_limited`. */
  async judge(linkId: string, address: string, guess: () => Promise<boolean>): Promise<boolean> {
    const buckets = bucketsOf(linkId, address);
    await this.take(buckets);
    const isRight = await guess();
    if (isRight) await this.giveBack(buckets);
    return isRight;
  }

  /** One after the other: whom the address is refused for has not used up the link's. */
  private async take(buckets: readonly Bucket[]): Promise<void> {
    for (const [index, bucket] of buckets.entries()) {
      if (await this.takeOne(bucket)) continue;
      await this.giveBack(buckets.slice(0, index));
      throw await this.refusal(bucket);
    }
  }

  private async takeOne({ name, limit, windowMs }: Bucket): Promise<boolean> {
    const now = this.clock.date();
    const rows = await this.db.query(
      `insert into share_guess as g (bucket, failures, window_ends) values ($1, 1, $2)
       on conflict (bucket) do update set
         failures = case when g.window_ends <= $3 then 1 else g.failures + 1 end,
         window_ends = case when g.window_ends <= $3 then excluded.window_ends else g.window_ends end
         where g.window_ends <= $3 or g.failures < $4
       returning 1`,
      [name, new Date(now.getTime() + windowMs), now, limit],
    );
    return rows.length > 0;
  }

  private async giveBack(buckets: readonly Bucket[]): Promise<void> {
    for (const { name } of buckets) {
      await this.db.query('update share_guess set failures = failures - 1 where bucket = $1 and failures > 0', [name]);
    }
  }

  private async refusal({ name, windowMs }: Bucket): Promise<DomainError> {
    const [row] = await this.db.query<{ windowEnds: Date }>(
      'select window_ends as "windowEnds" from share_guess where bucket = $1',
      [name],
    );
    const wait = row ? row.windowEnds.getTime() - this.clock.now() : windowMs;
    return new DomainError('rate_limited', 'Too many wrong passwords. Try again later.', {
      reason: 'share_password_limit',
      headers: { 'Retry-After': String(Math.max(1, Math.ceil(wait / 1000))) },
    });
  }

  private async forgetOld(): Promise<void> {
    await this.db.query('delete from share_guess where window_ends <= $1', [this.clock.date()]);
  }
}
