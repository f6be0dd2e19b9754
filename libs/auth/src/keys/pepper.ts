import { createHmac, randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, mkdirSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Injectable } from '@nestjs/common';
import { AppConfig } from '#platform';

/**
 * The server's secret behind key digests: a database dump alone cannot be tested against guesses. Kept in
 * DATA_DIR/secrets/pepper (0600), made on first start; losing it invalidates every key.
 */
@Injectable()
export class Pepper {
  private readonly secret: Buffer;

  constructor(config: AppConfig) {
    this.secret = readOrCreate(join(config.DATA_DIR, 'secrets'), 'pepper');
  }

  /** HMAC-SHA-256 of a raw key: what the database stores. */
  digest(raw: string): Buffer {
    return createHmac('sha256', this.secret).update(raw).digest();
  }
}

function readOrCreate(folder: string, name: string): Buffer {
  const path = join(folder, name);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const candidate = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  const file = openSync(candidate, 'wx', 0o600);
  writeSync(file, randomBytes(32).toString('hex'));
  fsyncSync(file);
  closeSync(file);
  try {
    // link() never replaces: of two first starts at once, one wins and both read the winner's.
    linkSync(candidate, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    unlinkSync(candidate);
  }
  return Buffer.from(readFileSync(path, 'utf8').trim(), 'hex');
}
