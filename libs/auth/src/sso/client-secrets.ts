import { hkdfSync, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import { AppConfig, readOrCreateSecret, seal, unseal } from '#platform';

/**
 * Client secrets at rest: AES-256-GCM under a key of DATA_DIR/secrets/sso and the organisation, so that a copy of the
 * database shows none and a row moved to another organisation opens nothing.
 */
@Injectable()
export class ClientSecrets {
  private readonly secret: string;

  constructor(config: AppConfig) {
    this.secret = readOrCreateSecret(config.DATA_DIR, 'sso', () => randomBytes(32).toString('hex'));
  }

  seal(orgId: string, clientSecret: string): Buffer {
    return seal(Buffer.from(clientSecret), this.keyOf(orgId));
  }

  /** @throws internal when DATA_DIR/secrets/sso is not the one it was sealed with */
  open(orgId: string, sealed: Buffer): string {
    const plain = unseal(sealed, this.keyOf(orgId));
    if (!plain) throw new DomainError('internal', 'A client secret cannot be opened: DATA_DIR/secrets/sso has changed');
    return plain.toString();
  }

  private keyOf(orgId: string): Buffer {
    return Buffer.from(hkdfSync('sha256', this.secret, 'roundhouse sso', orgId, 32));
  }
}
