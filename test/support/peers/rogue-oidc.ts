import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

type Claims = Record<string, unknown>;

/** What the rogue does differently from an honest provider. */
export interface Mischief {
  /** Changes the claims of the ID token. */
  readonly claims?: (honest: Claims) => Claims;
  /** Signs with another key than the one it publishes. */
  readonly foreignKey?: boolean;
  readonly unsigned?: boolean;
  /** Added to the way back. */
  readonly back?: Record<string, string>;
  /** Replaces members of the metadata. */
  readonly metadata?: Claims;
}

/** An OpenID provider by hand that signs whatever it is told to: what a compromised or hostile one could send. */
export class RogueOidcPeer {
  mischief: Mischief = {};
  email = 'mallory@rogue.example';
  private readonly keys = [key(), key()] as const;
  private readonly nonces = new Map<string, { nonce: string; clientId: string }>();

  private constructor(private readonly server: Server) {}

  static async start(): Promise<RogueOidcPeer> {
    const peer = new RogueOidcPeer(createServer());
    peer.server.on('request', (request, response) => void peer.handle(request, response));
    peer.server.listen(0, '127.0.0.1');
    await once(peer.server, 'listening');
    return peer;
  }

  get issuer(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.issuer);
    if (url.pathname === '/authorize') return this.authorize(url, response);
    const body = url.pathname === '/token' ? this.tokens(await text(request)) : this.document(url.pathname);
    response.writeHead(body ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify(body ?? {}));
  }

  private authorize({ searchParams }: URL, response: ServerResponse): void {
    const code = `code-${this.nonces.size}`;
    this.nonces.set(code, { nonce: searchParams.get('nonce')!, clientId: searchParams.get('client_id')! });
    const back = new URL(searchParams.get('redirect_uri')!);
    const parameters = { code, state: searchParams.get('state')!, iss: this.issuer, ...this.mischief.back };
    back.search = new URLSearchParams(parameters).toString();
    response.writeHead(302, { location: back.href }).end();
  }

  private document(path: string): Claims | null {
    const { issuer } = this;
    if (path === '/keys') return { keys: [publicKey(this.keys[0])] };
    if (path !== '/.well-known/openid-configuration') return null;
    return {
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      jwks_uri: `${issuer}/keys`,
      response_types_supported: ['code'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['RS256'],
      authorization_response_iss_parameter_supported: true,
      ...this.mischief.metadata,
    };
  }

  private tokens(form: string): Claims {
    const { nonce, clientId } = this.nonces.get(new URLSearchParams(form).get('code') ?? '')!;
    const now = Math.floor(Date.now() / 1000);
    const person = { sub: 'mallory', email: this.email, email_verified: true };
    const honest = { iss: this.issuer, aud: clientId, iat: now, exp: now + 60, nonce, ...person };
    const { claims = (same: Claims) => same, foreignKey = false, unsigned = false } = this.mischief;
    const idToken = unsigned ? forged(claims(honest)) : signed(claims(honest), this.keys[foreignKey ? 1 : 0]);
    return { access_token: 'x', token_type: 'Bearer', expires_in: 60, id_token: idToken };
  }
}

function key(): KeyObject {
  return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
}

function publicKey(privateKey: KeyObject): Claims {
  const { kty, n, e } = privateKey.export({ format: 'jwk' });
  return { kty, n, e, kid: '1', use: 'sig', alg: 'RS256' };
}

const encoded = (value: Claims): string => Buffer.from(JSON.stringify(value)).toString('base64url');

function signed(claims: Claims, privateKey: KeyObject): string {
  const head = `${encoded({ alg: 'RS256', kid: '1' })}.${encoded(claims)}`;
  return `${head}.${sign('sha256', Buffer.from(head), privateKey).toString('base64url')}`;
}

const forged = (claims: Claims): string => `${encoded({ alg: 'none' })}.${encoded(claims)}.`;

async function text(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of request) body += String(chunk);
  return body;
}
