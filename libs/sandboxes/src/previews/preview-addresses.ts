import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Injectable } from '@nestjs/common';
import { Clock } from '#kernel';
import { AppConfig } from '#platform';

const LIFETIME_MS = 8 * 3_600_000;
const ID = '[0-9a-f]{24}';
const TOKEN = '[0-9a-z]{8,9}\\.[\\w-]{43}';
const PATH = new RegExp(`^/previews/(${ID})\\.(${TOKEN})(?=[/?]|$)`);
const HOST_LABEL = new RegExp(`^${ID}$`);
const PORT = /:\d+$/;
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?=:\d+$|$)/;
/** Browsers that find every name below it on their own machine, whatever its resolver says. */
const FINDS_LOCAL_NAMES = /(?:Chrome|Firefox)\//;
const LOCAL_DOMAIN = '.localhost';
/** In the query of the first request of a browser, which then has it as a cookie. */
const PARAMETER = 'preview_token';

type Asking = Pick<IncomingMessage, 'method' | 'url' | 'headers'>;

/** What a request says of the preview it is for, before anything of it is believed. */
export interface AskedPreview {
  /** Null for an address that is none. */
  readonly id: string | null;
  readonly token: string | null;
  /** Where the browser has what it asks for, without the token of the first request. */
  readonly path: string;
  /** That of the server inside; begins with a slash. */
  readonly rest: string;
  /** What the paths of the server inside come behind: nothing, where the preview has an origin of its own. */
  readonly base: string;
  readonly isApart: boolean;
  /** It has come with the address, and not as a cookie. */
  readonly isFirst: boolean;
}

/**
 * Addresses of previews: signed, bound to one preview, good for eight hours. With PREVIEW_ORIGIN each preview has a host,
 * and so an origin, of its own, and the signature becomes a cookie; else it is part of the path (docs/decisions/0008),
 * and a server on the browser's own machine sends it on to such a host.
 */
@Injectable()
export class PreviewAddresses {
  /** Of this process, as previews are. */
  private readonly secret = randomBytes(32);
  private readonly origin: { readonly scheme: string; readonly domain: string } | null;
  /** Without the port, which a proxy may leave out; null where previews are paths only. */
  private readonly domain: string | null;

  constructor(
    private readonly config: AppConfig,
    private readonly clock: Clock,
  ) {
    const [, scheme = '', domain = ''] = /^(https?):\/\/\*(\..*)$/.exec(config.PREVIEW_ORIGIN ?? '') ?? [];
    this.origin = scheme === '' ? null : { scheme, domain: domain.toLowerCase() };
    const isLocal = LOOPBACK.test(new URL(config.publicUrl).host);
    this.domain = this.origin?.domain.replace(PORT, '') ?? (isLocal ? LOCAL_DOMAIN : null);
  }

  of(id: string): string {
    const expiresAt = (this.clock.now() + LIFETIME_MS).toString(36);
    const token = `${expiresAt}.${this.sign(id, expiresAt)}`;
    if (!this.origin) return `${this.config.publicUrl}/previews/${id}.${token}/`;
    return `${this.origin.scheme}://${id}${this.origin.domain}/?${PARAMETER}=${token}`;
  }

  /** Null for a request that is for the server itself. */
  asked({ url = '', headers }: Asking): AskedPreview | null {
    return this.askedByHost(url, headers) ?? (this.origin ? null : askedByPath(url));
  }

  /** Where a page that is a path has an origin of its own; null where it has none, or not for this browser. */
  apart({ id, token, rest, isApart }: AskedPreview, { method, headers }: Asking): string | null {
    const [here = ''] = LOOPBACK.exec(headers.host ?? '') ?? [];
    if (isApart || this.domain === null || here === '') return null;
    const isPage = method === 'GET' && headers['sec-fetch-dest'] === 'document';
    if (!isPage || !FINDS_LOCAL_NAMES.test(headers['user-agent'] ?? '')) return null;
    const origin = `http://${id}${this.domain}${headers.host!.slice(here.length)}`;
    return `${origin}${rest}${rest.includes('?') ? '&' : '?'}${PARAMETER}=${token}`;
  }

  private askedByHost(url: string, headers: Asking['headers']): AskedPreview | null {
    const host = (headers.host ?? '').toLowerCase().replace(PORT, '');
    if (this.domain === null || !host.endsWith(this.domain)) return null;
    const id = host.slice(0, -this.domain.length);
    // The server itself may have a name beside theirs.
    if (!HOST_LABEL.test(id)) return null;
    const { path, token } = withoutToken(url.startsWith('/') ? url.replace(/^[/\\]+/, '/') : '/');
    const kept = token === null ? tokenIn(headers.cookie) : null;
    return { id, token: token ?? kept, path, rest: path, base: '', isApart: true, isFirst: token !== null };
  }

  /** Of a token that this process has signed for the preview. */
  judge(id: string, token: string): 'good' | 'expired' | 'forged' {
    const [expiresAt = '', signature = ''] = token.split('.');
    const [given, right] = [Buffer.from(signature), Buffer.from(this.sign(id, expiresAt))];
    if (given.length !== right.length || !timingSafeEqual(given, right)) return 'forged';
    return parseInt(expiresAt, 36) > this.clock.now() ? 'good' : 'expired';
  }

  /** `Set-Cookie` for a browser that has come with a token. The host has no other cookies of the server's. */
  cookie(token: string): string {
    const isSecure = this.origin?.scheme === 'https';
    const name = isSecure ? `__Host-${COOKIE}` : COOKIE;
    return `${name}=${token}; Path=/; Max-Age=${LIFETIME_MS / 1_000}; HttpOnly; SameSite=Lax${isSecure ? '; Secure' : ''}`;
  }

  private sign(id: string, expiresAt: string): string {
    return createHmac('sha256', this.secret).update(`${id}.${expiresAt}`).digest('base64url');
  }
}

function askedByPath(url: string): AskedPreview | null {
  if (!/^\/previews(?:[/?]|$)/.test(url)) return null;
  const [base = '', id = null, token = null] = PATH.exec(url) ?? [];
  const rest = url.slice(base.length);
  const inside = rest.startsWith('/') ? rest : `/${rest}`;
  return { id, token, path: url, rest: inside, base, isApart: false, isFirst: false };
}

const COOKIE = 'roundhouse_preview';
const OWN_COOKIE = new RegExp(`^(?:__Host-)?${COOKIE}=(.*)$`);
const WHOLE_TOKEN = new RegExp(`^${TOKEN}$`);

/** A request's cookies without those of the door. */
export function cookiesForInside(header: string): string {
  return cookiesOf(header)
    .filter((cookie) => !OWN_COOKIE.test(cookie))
    .join('; ');
}

/** Whether a server inside may set it: not one that would stand for the door's. */
export function isForeignCookie(setCookie: string): boolean {
  return !/^\s*(?:__host-)?roundhouse_preview\s*=/i.test(setCookie);
}

function tokenIn(header = ''): string | null {
  const values = cookiesOf(header).map((cookie) => OWN_COOKIE.exec(cookie)?.[1] ?? '');
  return values.find((value) => WHOLE_TOKEN.test(value)) ?? null;
}

function cookiesOf(header: string): string[] {
  return header.split(';').map((cookie) => cookie.trim());
}

function withoutToken(url: string): { path: string; token: string | null } {
  const [path = '', query] = split(url);
  const parameters = query?.split('&') ?? [];
  const given = parameters.find((parameter) => parameter.startsWith(`${PARAMETER}=`));
  const token = given?.slice(PARAMETER.length + 1) ?? '';
  if (!WHOLE_TOKEN.test(token)) return { path: url, token: null };
  const left = parameters.filter((parameter) => parameter !== given).join('&');
  return { path: left === '' ? path : `${path}?${left}`, token };
}

function split(url: string): string[] {
  const at = url.indexOf('?');
  return at === -1 ? [url] : [url.slice(0, at), url.slice(at + 1)];
}
