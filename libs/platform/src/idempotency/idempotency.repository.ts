import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import type { IdempotencyClaim } from './claim.js';

/** How long a claim keeps others out without settling. Longer than any write transaction may last. */
const LEASE_SECONDS = 60;
/** Records answer for 24 hours; the rest is room for requests that settled long after their claim. */
const KEPT = '25 hours';
const SWEEP_SIZE = 1_000;

export interface IdempotencyRecord {
  readonly requestHash: Buffer;
  readonly isFinished: boolean;
  readonly isExpired: boolean;
  readonly status: number | null;
  readonly body: Buffer | null;
  readonly sealed: boolean;
}

/** Every query on idempotency records. Leases follow the database's clock, which all nodes share. */
@Injectable()
export class IdempotencyRepository {
  constructor(private readonly db: Database) {}

  /** True when nobody had the key. Does not wait for a holder's open transaction. */
  async insert(claim: IdempotencyClaim, requestHash: Buffer): Promise<boolean> {
    const rows = await this.db.query(
      `insert into idempotency (account_id, principal_id, key, request_hash, owner, lease_until)
       values ($1, $2, $3, $4, $5, now() + make_interval(secs => $6))
       on conflict do nothing returning 1`,
      [...addressOf(claim), requestHash, claim.owner, LEASE_SECONDS],
    );
    return rows.length > 0;
  }

  async find(claim: IdempotencyClaim): Promise<IdempotencyRecord | null> {
    const [row] = await this.db.query<IdempotencyRecord>(
      `select request_hash as "requestHash", finished_at is not null as "isFinished", lease_until < now() as "isExpired",
              status, body, sealed
         from idempotency where account_id = $1 and principal_id = $2 and key = $3`,
      addressOf(claim),
    );
    return row ?? null;
  }

  /** True when the holder's lease had run out and the key is now the claim's. */
  async takeOver(claim: IdempotencyClaim): Promise<boolean> {
    const rows = await this.db.query(
      `update idempotency set owner = $4, lease_until = now() + make_interval(secs => $5), created_at = now()
        where account_id = $1 and principal_id = $2 and key = $3 and finished_at is null and lease_until < now()
        returning 1`,
      [...addressOf(claim), claim.owner, LEASE_SECONDS],
    );
    return rows.length > 0;
  }

  /** True when the claim still held the key. */
  async finish(claim: IdempotencyClaim, status: number, body: Buffer | null): Promise<boolean> {
    const rows = await this.db.query(
      `update idempotency set finished_at = now(), status = $5, body = $6, sealed = $7
        where account_id = $1 and principal_id = $2 and key = $3 and owner = $4 and finished_at is null
        returning 1`,
      [...addressOf(claim), claim.owner, status, body, claim.sealingKey !== null],
    );
    return rows.length > 0;
  }

  async remove(claim: IdempotencyClaim): Promise<void> {
    await this.db.query(
      `delete from idempotency
        where account_id = $1 and principal_id = $2 and key = $3 and owner = $4 and finished_at is null`,
      [...addressOf(claim), claim.owner],
    );
  }

  /** Removes some records past their time; answers how many. */
  async sweep(): Promise<number> {
    const rows = await this.db.query(
      `delete from idempotency where ctid in
         (select ctid from idempotency where created_at < now() - $1::interval limit $2 for update skip locked)
       returning 1`,
      [KEPT, SWEEP_SIZE],
    );
    return rows.length;
  }
}

function addressOf({ accountId, principalId, key }: IdempotencyClaim): [string, string, string] {
  return [accountId, principalId, key];
}
