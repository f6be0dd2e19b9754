import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import Provider, { type Configuration } from 'oidc-provider';

/** A person the provider knows. */
export interface OidcPerson {
  readonly sub: string;
  readonly email?: string;
  readonly email_verified?: boolean;
  readonly name?: string;
}

export interface OidcClient {
  readonly id: string;
  /** None: a public client. */
  readonly secret?: string;
  readonly redirectUris: readonly string[];
}

/**
 * A real OpenID provider (oidc-provider) on a loopback port: PKCE demanded, redirect URIs exact, codes good once and
 * for their client, client authentication as registered. Whoever comes is signed in as `visitor`, or is turned away.
 */
export class OidcPeer {
  /** Who the browser that comes next belongs to; null refuses it (access_denied). */
  visitor: OidcPerson | null = null;
  /** Every request, as `METHOD path`. */
  readonly requests: string[] = [];
  private readonly people = new Map<string, OidcPerson>();
  private provider: Provider | undefined;

  private constructor(private server: Server) {}

  /** Listens; answers 503 until `serve`. */
  static async start(): Promise<OidcPeer> {
    const peer = new OidcPeer(createServer());
    peer.server.on('request', (request, response) => void peer.handle(request, response));
    peer.server.listen(0, '127.0.0.1');
    await once(peer.server, 'listening');
    return peer;
  }

  get issuer(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Starts to be a provider for these clients. */
  serve(clients: readonly OidcClient[], more: { emailInIdToken?: boolean; inBodyOnly?: boolean } = {}): void {
    this.provider = quietly(
      () =>
        new Provider(this.issuer, {
          ...this.configuration(),
          conformIdTokenClaims: !more.emailInIdToken,
          ...(more.inBodyOnly && { clientAuthMethods: ['client_secret_post'] }),
          clients: clients.map(({ id, secret, redirectUris }) => ({
            client_id: id,
            ...(secret !== undefined && { client_secret: secret }),
            redirect_uris: [...redirectUris],
            token_endpoint_auth_method:
              secret === undefined ? 'none' : more.inBodyOnly ? 'client_secret_post' : 'client_secret_basic',
          })),
        }),
    );
    this.provider.on('server_error', (_, error) => process.stderr.write(`provider: ${error.stack}\n`));
  }

  /** No longer answers anything but 503. */
  fail(): void {
    this.provider = undefined;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private configuration(): Configuration {
    return {
      cookies: { keys: ['only a test'] },
      features: { devInteractions: { enabled: false } },
      pkce: { required: () => true },
      claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
      scopes: ['openid', 'email', 'profile'],
      interactions: { url: (_, { uid }) => `/interaction/${uid}` },
      findAccount: (_, id) => {
        const person = this.people.get(id);
        return person && { accountId: id, claims: () => ({ ...person }) };
      },
      loadExistingGrant: async ({ oidc }) => {
        const grant = new oidc.provider.Grant({ clientId: oidc.client!.clientId, accountId: oidc.session!.accountId! });
        grant.addOIDCScope('openid email profile');
        await grant.save();
        return grant;
      },
      ttl: { AccessToken: 60, AuthorizationCode: 60, IdToken: 60, Interaction: 60, Session: 60, Grant: 60 },
    };
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method, url = '' } = request;
    this.requests.push(`${method} ${url.split('?')[0]}`);
    if (!this.provider) return void response.writeHead(503).end('down');
    if (!url.startsWith('/interaction/')) return this.provider.callback()(request, response);
    const person = this.visitor;
    if (person) this.people.set(person.sub, person);
    const result = person
      ? { login: { accountId: person.sub, remember: false } }
      : { error: 'access_denied', error_description: 'not today' };
    await this.provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  }
}

/** It warns of signing keys and storage that are good enough for a test. */
function quietly<Result>(work: () => Result): Result {
  const warn = console.warn;
  console.warn = () => undefined;
  try {
    return work();
  } finally {
    console.warn = warn;
  }
}
