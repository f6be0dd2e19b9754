import { Injectable } from '@nestjs/common';
import { Database } from '#platform';

export interface StoredVerification {
  readonly userId: string;
  readonly accountId: string;
  /** The address the link was sent to, and the user's own now. */
  readonly email: string;
  readonly currentEmail: string;
  readonly isVerified: boolean;
  readonly expiresAt: Date;
}

export interface NewVerification {
  readonly userId: string;
  readonly email: string;
  readonly digest: Buffer;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

/** Every query on the links that verify addresses. */
@Injectable()
export class VerificationRepository {
  constructor(private readonly db: Database) {}

  /** The newest link of a user is the only one in force. */
  async put({ userId, email, digest, createdAt, expiresAt }: NewVerification): Promise<void> {
    await this.db.query(
      `insert into email_verification (user_id, email, digest, created_at, expires_at) values ($1, $2, $3, $4, $5)
       on conflict (user_id) do update set email = excluded.email, digest = excluded.digest,
         created_at = excluded.created_at, expires_at = excluded.expires_at`,
      [userId, email, digest, createdAt, expiresAt],
    );
  }

  /** With the user's row locked until the transaction ends. */
  async lockByDigest(digest: Buffer): Promise<StoredVerification | null> {
    const [row] = await this.db.query<StoredVerification>(
      `select u.id as "userId", u.account_id as "accountId", v.email, u.email as "currentEmail",
              u.email_verified as "isVerified", v.expires_at as "expiresAt"
         from email_verification v join app_user u on u.id = v.user_id where v.digest = $1 for update of u`,
      [digest],
    );
    return row ?? null;
  }

  async setVerified(userId: string): Promise<void> {
    await this.db.query('update app_user set email_verified = true where id = $1', [userId]);
  }
}
