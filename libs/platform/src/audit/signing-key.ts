import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import { promisify } from 'node:util';
import { Injectable } from '@nestjs/common';
import { AppConfig } from '../config/app-config.js';
import { readOrCreateSecret, readSecret } from '../config/secret-file.js';

const FILE = 'audit-signing.key';

/** On libuv's threads: signing many heads must not hold up requests. */
const signOffThread = promisify<null, Buffer, KeyObject, Buffer>(sign);

/** Signs the audit chains (Ed25519) with DATA_DIR/secrets/audit-signing.key, made on the first start. */
@Injectable()
export class AuditSigningKey {
  private readonly key: KeyObject;

  constructor(config: AppConfig) {
    this.key = createPrivateKey(readOrCreateSecret(config.DATA_DIR, FILE, newPrivateKey));
  }

  sign(statement: string): Promise<Buffer> {
    return signOffThread(null, Buffer.from(statement), this.key);
  }
}

/** What others check signatures with, as PEM; null when this data folder has no signing key yet. */
export function auditPublicKey(dataDir: string): string | null {
  const pem = readSecret(dataDir, FILE);
  return pem === null ? null : createPublicKey(pem).export({ type: 'spki', format: 'pem' }).toString();
}

/** @throws Error when `pem` is no Ed25519 public key */
export function signatureCheck(pem: string): (statement: string, signature: Buffer) => boolean {
  const key = createPublicKey(pem);
  if (key.asymmetricKeyType !== 'ed25519')
    throw new Error('The audit log is signed with Ed25519; this is another key.');
  return (statement, signature) => verify(null, Buffer.from(statement), key, signature);
}

function newPrivateKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}
