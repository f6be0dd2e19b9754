import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';

/** One fixed window of one bucket. */
export interface RateCount {
  readonly bucket: string;
  /** Length of the window in milliseconds. */
  readonly length: number;
  /** Milliseconds since the Unix epoch. */
  readonly start: number;
  readonly hits: number;
}

/** Every query on the counters that all nodes share. */
@Injectable()
export class RateCountsRepository {
  constructor(private readonly db: Database) {}

  /** Adds `hits` to each window and answers their totals. One statement, in an order all nodes agree on. */
  async add(counts: readonly RateCount[]): Promise<RateCount[]> {
    const rows = await this.db.query<{ bucket: string; length: string; start: string; hits: string }>(
      `insert into rate_count as known (bucket, length, start, hits)
       select * from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[]) order by 1, 2, 3
       on conflict (bucket, length, start) do update set hits = known.hits + excluded.hits
       returning bucket, length, start, hits`,
      [
        counts.map(({ bucket }) => bucket),
        counts.map(({ length }) => length),
        counts.map(({ start }) => start),
        counts.map(({ hits }) => hits),
      ],
    );
    return rows.map(({ bucket, length, start, hits }) => ({
      bucket,
      length: Number(length),
      start: Number(start),
      hits: Number(hits),
    }));
  }

  /** Removes windows that no sliding window overlaps any more. */
  async removeBefore(now: number): Promise<void> {
    await this.db.query('delete from rate_count where start + 2 * length < $1', [now]);
  }
}
