import type { Request } from 'express';

/**
 * The raw credential a request carries, as its client knows it: to derive keys from, never to decide access, which is
 * the Authenticator's business. Null without one.
 */
export function presentedCredential(request: Pick<Request, 'headers'>): string | null {
  const { 'x-api-key': apiKey, authorization, 'x-session-id': sessionId } = request.headers;
  if (typeof apiKey === 'string' && apiKey.trim() !== '') return apiKey.trim();
  const [, scheme, value] = /^(bearer|basic)\s+(.*)$/is.exec(authorization ?? '') ?? [];
  if (scheme !== undefined && value !== undefined)
    return scheme.toLowerCase() === 'bearer' ? value.trim() : basicPassword(value);
  return typeof sessionId === 'string' && sessionId !== '' ? sessionId : null;
}

/** The password of a Basic credential: git sends the key there and the user name does not matter. */
export function basicPassword(encoded: string): string {
  const decoded = Buffer.from(encoded.trim(), 'base64').toString('utf8');
  return decoded.slice(decoded.indexOf(':') + 1);
}
