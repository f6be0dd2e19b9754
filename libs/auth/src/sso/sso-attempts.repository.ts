import { Injectable } from '@nestjs/common';
import { Database } from '#platform';
import type { NewAttempt, ReturnedAttempt } from './sso-attempt.js';

/** What a departing browser takes along. */
export interface Departed extends Omit<ReturnedAttempt, 'redirect'> {
  readonly stateDigest: Buffer;
  readonly browserDigest: Buffer;
}

/** Every query on sign-ins under way. Each step is one conditional update: what was used or is over finds no row. */
@Injectable()
export class SsoAttemptsRepository {
  constructor(private readonly db: Database) {}

  async insert(digest: Buffer, attempt: NewAttempt, expiresAt: Date): Promise<void> {
    const { email, orgSlug, redirect, codeChallenge } = attempt;
    await this.db.query(
      `insert into sso_attempt (digest, email, org_slug, redirect, code_challenge, expires_at)
       values ($1, $2, $3, $4, $5, $6)`,
      [digest, email, orgSlug, redirect, codeChallenge, expiresAt],
    );
  }

  /** What is asked for by an attempt that is neither used nor over. */
  async findOpen(digest: Buffer, now: Date): Promise<Pick<NewAttempt, 'email' | 'orgSlug'> | null> {
    const [row] = await this.db.query<Pick<NewAttempt, 'email' | 'orgSlug'>>(
      'select email, org_slug as "orgSlug" from sso_attempt where digest = $1 and used_at is null and expires_at > $2',
      [digest, now],
    );
    return row ?? null;
  }

  /** Lets a browser go with it; one that went before cannot come back any more. False when it is used or over. */
  async depart(digest: Buffer, departed: Departed, now: Date): Promise<boolean> {
    const { orgId, issuer, clientId, redirectUri, stateDigest, browserDigest, nonce, pkceVerifier } = departed;
    const rows = await this.db.query(
      `update sso_attempt set org_id = $3, issuer = $4, client_id = $5, redirect_uri = $6, state_digest = $7,
              browser_digest = $8, nonce = $9, pkce_verifier = $10
        where digest = $1 and used_at is null and expires_at > $2 returning digest`,
      [digest, now, orgId, issuer, clientId, redirectUri, stateDigest, browserDigest, nonce, pkceVerifier],
    );
    return rows.length > 0;
  }

  /** Uses it up: for the browser that went with it, once, in time. */
  async use(stateDigest: Buffer, browserDigest: Buffer, now: Date): Promise<ReturnedAttempt | null> {
    const [row] = await this.db.query<ReturnedAttempt>(
      `update sso_attempt set used_at = $3
        where state_digest = $1 and browser_digest = $2 and used_at is null and expires_at > $3
       returning org_id as "orgId", issuer, client_id as "clientId", redirect_uri as "redirectUri", nonce,
                 pkce_verifier as "pkceVerifier", redirect`,
      [stateDigest, browserDigest, now],
    );
    return row ?? null;
  }

  async leaveCode(stateDigest: Buffer, code: { identityId: string; digest: Buffer; expiresAt: Date }): Promise<void> {
    await this.db.query(
      `update sso_attempt set identity_id = $2, code_digest = $3, code_expires_at = $4 where state_digest = $1`,
      [stateDigest, code.identityId, code.digest, code.expiresAt],
    );
  }

  /** The identity the code stands for: once, in time, for who knows the verifier. */
  async redeemCode(codeDigest: Buffer, challenge: string, now: Date): Promise<string | null> {
    const [row] = await this.db.query<{ id: string }>(
      `update sso_attempt set exchanged_at = $3
        where code_digest = $1 and code_challenge = $2 and exchanged_at is null and code_expires_at > $3
       returning identity_id as id`,
      [codeDigest, challenge, now],
    );
    return row?.id ?? null;
  }

  /** Forgets a handful that are long over. */
  async sweep(before: Date): Promise<void> {
    await this.db.query(
      `delete from sso_attempt where digest in (select digest from sso_attempt where expires_at < $1 limit 100)`,
      [before],
    );
  }
}
