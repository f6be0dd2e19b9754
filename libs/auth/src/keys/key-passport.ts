import { Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import passport from 'passport';
import { HeaderAPIKeyStrategy } from 'passport-headerapikey';
import { DomainError } from '#kernel';
import type { Principal } from '#platform';
import { Principals } from './principals.js';

type Done = (error: Error | null, principal?: Principal | false) => void;

/** Where a key may stand. Scheme names are matched in any case before the strategies see them. */
const PLACES = [
  { name: 'x-api-key', header: 'x-api-key', prefix: '', decode: (value: string) => value.trim() },
  { name: 'bearer', header: 'authorization', prefix: 'Bearer ', decode: (value: string) => value.trim() },
  { name: 'basic', header: 'authorization', prefix: 'Basic ', decode: basicPassword },
] as const;

/** Passport with one header-key strategy per place a credential may stand (DESIGN §3). */
@Injectable()
export class KeyPassport {
  // An instance of our own: strategies hold this application's verifier, and a process may host several applications.
  private readonly passport = new passport.Passport();

  constructor(principals: Principals) {
    for (const { name, header, prefix, decode } of PLACES) {
      const verify = (value: string, done: Done): void => {
        principals.verify(decode(value)).then(
          (principal) => done(null, principal),
          (error: unknown) => done(error instanceof Error ? error : new Error(String(error))),
        );
      };
      this.passport.use(name, new HeaderAPIKeyStrategy({ header, prefix }, false, verify as never));
    }
  }

  /**
   * The principal of every credential in the request, or null without one. Two credentials must be the same key.
   * @throws DomainError `unauthorized`
   */
  async authenticate(request: Request, response: Response): Promise<Principal | null> {
    const headers = normalise(request.headers);
    let found: Principal | null = null;
    for (const { name, header, prefix } of PLACES) {
      if (!headers[header]?.startsWith(prefix)) continue;
      const principal = await this.run(name, headers, response);
      if (found && found.keyId !== principal.keyId)
        throw new DomainError('unauthorized', 'The two credentials disagree');
      found = principal;
    }
    return found;
  }

  private run(strategy: string, headers: Record<string, string>, response: Response): Promise<Principal> {
    return new Promise((resolve, reject) => {
      const done = (error: Error | null, principal?: Principal | false): void => {
        if (error) reject(error);
        else if (principal) resolve(principal);
        else reject(new DomainError('unauthorized', 'Invalid API key'));
      };
      const middleware = this.passport.authenticate(strategy, { session: false }, done as never) as (
        ...args: unknown[]
      ) => void;
      middleware({ headers }, response, reject);
    });
  }
}

function normalise(headers: Request['headers']): Record<string, string> {
  const key = headers['x-api-key'];
  const authorization = headers.authorization?.replace(/^(bearer|basic)\s+/i, (_, scheme: string) =>
    scheme.toLowerCase() === 'basic' ? 'Basic ' : 'Bearer ',
  );
  return {
    ...(typeof key === 'string' && key !== '' && { 'x-api-key': key }),
    ...(authorization && { authorization }),
  };
}

/** The password of a Basic credential; git sends the key there and the user name does not matter. */
function basicPassword(encoded: string): string {
  const decoded = Buffer.from(encoded.trim(), 'base64').toString('utf8');
  return decoded.slice(decoded.indexOf(':') + 1);
}
