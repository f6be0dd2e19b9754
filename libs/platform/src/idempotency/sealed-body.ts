import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * The key of a recorded answer that holds a secret: only who presents the same credential with the same
 * Idempotency-Key can derive it, so that a copy of the database shows nothing.
 */
export function sealingKey(credential: string, idempotencyKey: string): Buffer {
  return Buffer.from(hkdfSync('sha256', credential, 'roundhouse idempotency', idempotencyKey, 32));
}

/** nonce, ciphertext, tag. What is `bound` is not stored, and has to be named again to open it. */
export function seal(plain: Buffer, key: Buffer, bound = ''): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key, nonce).setAAD(Buffer.from(bound));
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** Null when `key` or `bound` is not what it was sealed with. */
export function unseal(sealed: Buffer, key: Buffer, bound = ''): Buffer | null {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) return null;
  const decipher = createDecipheriv(CIPHER, key, sealed.subarray(0, NONCE_BYTES)).setAAD(Buffer.from(bound));
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  const plain = decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES));
  try {
    return Buffer.concat([plain, decipher.final()]);
  } catch {
    // final() fails for one reason: the tag does not match.
    return null;
  }
}
