import { createHmac, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { AppConfig, readOrCreateSecret } from '#platform';

/**
 * The server's secret behind key digests: a database dump alone cannot be tested against guesses. Kept in
 * DATA_DIR/secrets/pepper (0600), made on first start; losing it invalidates every key.
 */
@Injectable()
export class Pepper {
  private readonly secret: Buffer;

  constructor(config: AppConfig) {
    const hex = readOrCreateSecret(config.DATA_DIR, 'pepper', () => randomBytes(32).toString('hex'));
    this.secret = Buffer.from(hex, 'hex');
  }

  /** HMAC-SHA-256 of a raw key: what the database stores. */
  digest(raw: string): Buffer {
    return createHmac('sha256', this.secret).update(raw).digest();
  }
}
