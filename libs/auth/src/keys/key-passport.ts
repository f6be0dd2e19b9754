import { Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import passport from 'passport';
import { HeaderAPIKeyStrategy } from 'passport-headerapikey';
import { DomainError } from '#kernel';
import { basicPassword, type Principal } from '#platform';
import { Principals } from './principals.js';

type Done = (error: Error | null, principal?: Principal | false) => void;

/** Where a key may stand. Scheme names are matched in any case before the strategies see them. */
const PLACES = [
  { name: 'x-api-key', header: 'x-api-key', prefix: '', decode: (value: string) => value.trim() },
  { name: 'bearer', header: 'authorization', prefix: 'Bearer ', decode: (value: string) => value.trim() },
  { name: 'basic', header: 'authorization', prefix: 'Basic ', decode: basicPassword },
] as const;

const SCHEMES: Readonly<Record<string, string>> = { bearer: 'Bearer ', basic: 'Basic ' };

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
    let found: Principal | null = null;
    for (const { name, headers } of presented(request)) {
      const principal = await this.run(name, headers, response);
      if (found && found.keyId !== principal.keyId)
        throw new DomainError('unauthorized', 'The two credentials disagree');
      found = principal;
    }
    return found;
  }

  /** The keys a request carries, unverified. */
  presented(request: Request): string[] {
    return presented(request).map(({ key }) => key);
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

interface Presented {
  readonly name: string;
  readonly headers: Record<string, string>;
  readonly key: string;
}

/** Every credential on its own. Node joins or drops repeated headers in `headers`, which would hide the second one. */
function presented(request: Request): Presented[] {
  return PLACES.flatMap(({ name, header, prefix, decode }) =>
    (request.headersDistinct[header] ?? [])
      .map((value) => value.replace(/^(bearer|basic)\s+/i, (_, scheme: string) => SCHEMES[scheme.toLowerCase()] ?? ''))
      .filter((value) => value !== '' && value.startsWith(prefix))
      .map((value) => ({ name, headers: { [header]: value }, key: decode(value.slice(prefix.length)) })),
  );
}
