import { randomBytes, scrypt, type ScryptOptions, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { Injectable } from '@nestjs/common';

const derive = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt);

/** 32 MB and a tenth of a second for each guess, of which few are admitted. */
const COST = { N: 2 ** 15, r: 8, p: 1 };
const MAX_MEMORY = 64 * 1_048_576;
const BYTES = 32;

/** Hashes passwords of share links, and compares. Off the main thread, one at a time: files and zlib need those threads. */
@Injectable()
export class SharePasswords {
  private last: Promise<unknown> = Promise.resolve();

  async hash(password: string): Promise<string> {
    const salt = randomBytes(16);
    const hash = await this.derived(password, salt, COST);
    return ['scrypt', COST.N, COST.r, COST.p, salt.toString('base64url'), hash.toString('base64url')].join('$');
  }

  async matches(password: string, stored: string): Promise<boolean> {
    const [, N, r, p, salt = '', hash = ''] = stored.split('$');
    const expected = Buffer.from(hash, 'base64url');
    const cost = { N: Number(N), r: Number(r), p: Number(p) };
    return timingSafeEqual(await this.derived(password, Buffer.from(salt, 'base64url'), cost), expected);
  }

  private derived(password: string, salt: Buffer, cost: typeof COST): Promise<Buffer> {
    // The same letters come as different code points from different keyboards.
    const text = password.normalize('NFKC');
    const next = this.last.then(() => derive(text, salt, BYTES, { ...cost, maxmem: MAX_MEMORY }));
    this.last = next.catch(() => undefined);
    return next;
  }
}
