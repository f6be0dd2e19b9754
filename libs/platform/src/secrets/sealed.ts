import { createHash, hkdfSync, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import { AppConfig } from '../config/app-config.js';
import { readOrCreateSecret } from '../config/secret-file.js';
import { seal, unseal } from '../idempotency/sealed-body.js';

/** What a sealed text belongs to: moved to another owner or purpose it cannot be opened. */
export interface SealedFor {
  /** E.g. `judge key`; shown to its owner when it cannot be opened. */
  readonly purpose: string;
  readonly owner: string;
}

/** The stored text cannot be opened: to be saved again by its owner. */
export const SECRET_UNREADABLE = 'secret_unreadable';

const KEY_ID_BYTES = 8;

/**
 * Third parties' keys at rest, AES-256-GCM: a copy of the database shows none. Each line of DATA_DIR/secrets/sealing is
 * a secret; the first one seals, the others still open what they sealed, which is how it is rotated. A sealed text begins
 * with the id of its key.
 */
@Injectable()
export class Sealed {
  private readonly keys: readonly { readonly id: Buffer; readonly key: Buffer }[];

  constructor(config: AppConfig) {
    const lines = readOrCreateSecret(config.DATA_DIR, 'sealing', () => randomBytes(32).toString('hex'));
    this.keys = lines
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '')
      .map((secret) => {
        const key = Buffer.from(hkdfSync('sha256', secret, 'roundhouse sealing', '', 32));
        return { key, id: createHash('sha256').update(key).digest().subarray(0, KEY_ID_BYTES) };
      });
    if (this.keys.length === 0) throw new Error('DATA_DIR/secrets/sealing is empty');
  }

  seal(text: string, what: SealedFor): Buffer {
    const { id, key } = this.keys[0]!;
    return Buffer.concat([id, seal(Buffer.from(text), key, boundTo(what))]);
  }

  canOpen(sealed: Buffer, what: SealedFor): boolean {
    return this.unsealed(sealed, what) !== null;
  }

  /** @throws conflict (`secret_unreadable`) when the server's secret, or the row, is another one than it was */
  open(sealed: Buffer, what: SealedFor): string {
    const text = this.unsealed(sealed, what);
    if (text !== null) return text;
    throw new DomainError('conflict', `The stored ${what.purpose} can no longer be read; save it again`, {
      reason: SECRET_UNREADABLE,
    });
  }

  private unsealed(sealed: Buffer, what: SealedFor): string | null {
    const known = this.keys.find(({ id }) => id.equals(sealed.subarray(0, KEY_ID_BYTES)));
    return known ? (unseal(sealed.subarray(KEY_ID_BYTES), known.key, boundTo(what))?.toString() ?? null) : null;
  }
}

const boundTo = ({ purpose, owner }: SealedFor): string => JSON.stringify([purpose, owner]);
