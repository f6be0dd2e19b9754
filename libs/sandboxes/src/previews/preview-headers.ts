import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { cookiesForInside, isForeignCookie } from './preview-addresses.js';

/** Of requests: what is about the connection, what proxies add, and what the server's own callers are known by. */
const KEPT_OUTSIDE = new Set([
  ...['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'expect'],
  ...['authorization', 'proxy-authorization', 'x-api-key', 'x-session-id', 'x-project-id', 'cookie', 'host', 'origin'],
  ...['referer', 'forwarded', 'via', 'x-real-ip', 'idempotency-key'],
]);

/**
 * Of answers: all that a preview may tell a browser. What concerns a whole origin, or the server's standing with the
 * browser, is not among it: Clear-Site-Data, Alt-Svc, Strict-Transport-Security, WWW-Authenticate.
 */
const LET_OUT = new Set([
  ...['accept-ranges', 'age', 'allow', 'cache-control', 'content-disposition', 'content-encoding', 'content-language'],
  ...['content-length', 'content-range', 'content-security-policy', 'content-type', 'date', 'etag', 'expires'],
  ...['last-modified', 'link', 'location', 'pragma', 'retry-after', 'server-timing', 'sourcemap', 'vary'],
]);
const APART_ONLY =
  /^(?:access-control-|cross-origin-|permissions-policy$|referrer-policy$|service-worker-allowed$|set-cookie$)/;

/**
 * For pages on the server's own origin: they run as of no origin at all, so that they neither see what the origin keeps in
 * a browser nor send requests as its user.
 */
const SANDBOX = 'sandbox allow-scripts allow-forms allow-modals allow-popups allow-downloads allow-pointer-lock';

/** The address is a credential. Without an origin modules are asked for across origins, even one's own. */
const ON_OWN_ORIGIN = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'access-control-allow-origin': '*',
};

/** What the server inside is told. It is asked as by a browser on its own machine: servers for developers insist on it. */
export function headersForInside(headers: IncomingHttpHeaders, port: number, isApart: boolean): OutgoingHttpHeaders {
  const named = new Set(listOf(headers.connection));
  const passed = Object.entries(headers).filter(
    ([name]) => !KEPT_OUTSIDE.has(name) && !named.has(name) && !name.startsWith('x-forwarded-'),
  );
  const cookie = isApart ? cookiesForInside(headers.cookie ?? '') : '';
  return {
    ...Object.fromEntries(passed),
    host: `localhost:${port}`,
    ...(headers.origin !== undefined && { origin: `http://localhost:${port}` }),
    ...(headers['transfer-encoding'] !== undefined && { 'transfer-encoding': 'chunked' }),
    ...(cookie !== '' && { cookie }),
  };
}

export interface Shown {
  readonly port: number;
  /** What paths come behind. */
  readonly base: string;
  readonly isApart: boolean;
}

/** What the browser is told. */
export function headersForBrowser(headers: IncomingHttpHeaders, { port, base, isApart }: Shown): OutgoingHttpHeaders {
  const named = new Set(listOf(headers.connection));
  const passed = Object.entries(headers).filter(
    ([name]) =>
      !named.has(name) &&
      (LET_OUT.has(name) || (isApart ? APART_ONLY.test(name) || name.startsWith('x-') : name === 'x-powered-by')),
  );
  const location = headers.location && placeFor(headers.location, port, base);
  const policies = [headers['content-security-policy'], isApart ? undefined : SANDBOX].filter(Boolean);
  return {
    ...Object.fromEntries(passed),
    ...(location && { location }),
    ...(policies.length > 0 && { 'content-security-policy': policies.join(', ') }),
    'cache-control': privately(headers['cache-control']),
    ...(headers['set-cookie'] && isApart && { 'set-cookie': cookiesForBrowser(headers['set-cookie']) }),
    'x-robots-tag': 'noindex',
    ...(!isApart && ON_OWN_ORIGIN),
  };
}

/** None for a wider domain: those would reach other previews, and perhaps the server. */
function cookiesForBrowser(cookies: readonly string[]): string[] {
  return cookies.filter(isForeignCookie).map((cookie) => cookie.replace(/;\s*domain\s*=[^;]*/gi, ''));
}

/** A cache on the way would show it to whoever has no credential. */
function privately(header = ''): string {
  const kept = listOf(header).filter((part) => !/^(?:public|private|s-maxage|proxy-revalidate)\b/.test(part));
  return ['private', ...kept].join(', ');
}

function placeFor(location: string, port: number, base: string): string {
  const inside = new RegExp(`^https?://(?:localhost|127\\.0\\.0\\.1|\\[::1\\]):${port}(?=[/?#]|$)`, 'i');
  const path = location.replace(inside, '');
  if (path === '') return `${base}/`;
  return path.startsWith('/') && !path.startsWith('//') ? base + path : path;
}

function listOf(header = ''): string[] {
  return header
    .toLowerCase()
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}
