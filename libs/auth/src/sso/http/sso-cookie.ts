import type { Request, Response } from 'express';
import { ATTEMPT_MS, digestOf } from '../sso-attempt.js';

const PATH = '/api/v1/auth/sso/callback';

/** One per sign-in: several may be under way in a browser. */
function cookieName(state: string): string {
  return `rh_sso_${digestOf(state).toString('hex').slice(0, 16)}`;
}

/** Gives the browser what it must bring back with `state`: a sign-in begun elsewhere cannot be ended in it. */
export function bindBrowser(response: Response, state: string, secret: string, isSecure: boolean): void {
  response.cookie(cookieName(state), secret, {
    path: PATH,
    httpOnly: true,
    sameSite: 'lax',
    secure: isSecure,
    maxAge: ATTEMPT_MS,
  });
}

/** Empty when the browser has none. */
export function broughtBack(request: Request, state: string): string {
  const name = `${cookieName(state)}=`;
  const cookies = (request.headers.cookie ?? '').split(';').map((part) => part.trim());
  return cookies.find((cookie) => cookie.startsWith(name))?.slice(name.length) ?? '';
}
