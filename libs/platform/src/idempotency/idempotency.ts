import { createHash, randomUUID } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import { DomainError } from '#kernel';
import type { Principal } from '../access/principal.js';
import { Database } from '../database/database.js';
import { currentContext } from '../http/request-context.js';
import type { IdempotencyClaim } from './claim.js';
import { type IdempotencyRecord, IdempotencyRepository } from './idempotency.repository.js';
import { seal, unseal } from './sealed-body.js';

/** What a request is recognised by. */
export interface IdempotentRequest {
  readonly caller: Principal;
  readonly key: string;
  readonly method: string;
  /** Path and query as the client sent them. */
  readonly url: string;
  readonly bodyHash: Buffer;
  /** Set when the answer holds a secret. */
  readonly sealingKey: Buffer | null;
}

/** The answer of a finished request, to be sent again. */
export interface RecordedAnswer {
  readonly status: number;
  /** JSON text, or null for an empty answer. */
  readonly body: Buffer | null;
}

const CLAIM_TRIES = 3;

/**
 * Retries of a write with the same Idempotency-Key have one effect (DESIGN §5): the key is claimed before the effect,
 * and the effect's own transaction records the answer, so that neither exists without the other.
 */
@Injectable()
export class Idempotency {
  private readonly log = new Logger(Idempotency.name);

  constructor(
    private readonly db: Database,
    private readonly records: IdempotencyRepository,
  ) {}

  /**
   * Claims the key, or answers what the finished request answered. Errors: `conflict` while another request holds the
   * key, `unprocessable` when it belongs to a different request.
   */
  async claim(request: IdempotentRequest): Promise<IdempotencyClaim | RecordedAnswer> {
    const claim: IdempotencyClaim = {
      accountId: request.caller.accountId,
      principalId: request.caller.keyId,
      key: request.key,
      owner: randomUUID(),
      sealingKey: request.sealingKey,
      isSettled: false,
    };
    const hash = requestHash(request);
    for (let tries = 0; tries < CLAIM_TRIES; tries += 1) {
      if (await this.records.insert(claim, hash)) return claim;
      const record = await this.records.find(claim);
      if (!record) continue;
      if (!record.requestHash.equals(hash)) throw usedOtherwise();
      if (record.isFinished) return answerOf(record, claim);
      if (!record.isExpired) break;
      if (await this.records.takeOver(claim)) return claim;
    }
    throw stillRunning();
  }

  /**
   * Records the answer of the request in progress; does nothing when it came without a key. Must be called inside the
   * transaction of the effect. Errors: `conflict` when the lease ran out and another request took the key over: the
   * transaction must then roll back.
   */
  async settle(status: number, body: unknown): Promise<void> {
    const claim = currentContext()?.claim;
    if (!claim) return;
    if (!this.db.inTransaction) throw new Error('An idempotency key is settled inside the transaction of the effect');
    if (!(await this.record(claim, status, body))) throw takenOver();
  }

  /** Records the answer to what was done and committed before. False when another request has taken the key over meanwhile. */
  record(claim: IdempotencyClaim, status: number, body: unknown): Promise<boolean> {
    claim.isSettled = true;
    const json = body === undefined || body === null ? null : Buffer.from(JSON.stringify(body));
    const stored = json && claim.sealingKey ? seal(json, claim.sealingKey) : json;
    return this.records.finish(claim, status, stored);
  }

  /** Gives the key back after a request without effect. A record that was finished stays. */
  async drop(claim: IdempotencyClaim): Promise<void> {
    try {
      await this.db.detached(() => this.records.remove(claim));
    } catch (error) {
      this.log.warn({ msg: 'an idempotency key could not be given back; its lease will run out', err: error });
    }
  }
}

function requestHash({ method, url, bodyHash }: IdempotentRequest): Buffer {
  return createHash('sha256').update(`${method} ${url}\n`).update(bodyHash).digest();
}

function answerOf(record: IdempotencyRecord, claim: IdempotencyClaim): RecordedAnswer {
  const status = record.status ?? 200;
  if (!record.body || !record.sealed) return { status, body: record.body };
  const body = claim.sealingKey && unseal(record.body, claim.sealingKey);
  if (!body) {
    throw new DomainError('conflict', 'This answer holds a secret: repeat the request with the same credential', {
      reason: 'idempotency_other_credential',
    });
  }
  return { status, body };
}

function stillRunning(): DomainError {
  return new DomainError('conflict', 'A request with this Idempotency-Key is still running', {
    reason: 'idempotency_key_in_use',
    headers: { 'Retry-After': '1' },
  });
}

function usedOtherwise(): DomainError {
  return new DomainError('unprocessable', 'This Idempotency-Key was used for a different request', {
    reason: 'idempotency_key_reused',
  });
}

function takenOver(): DomainError {
  return new DomainError('conflict', 'Another request took over this Idempotency-Key; nothing was changed', {
    reason: 'idempotency_key_in_use',
    headers: { 'Retry-After': '1' },
  });
}
