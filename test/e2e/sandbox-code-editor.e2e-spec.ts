import { request } from 'node:http';
import { type Checkout, startCheckout } from '../support/checkouts.js';
import { Client, signUp, type TestAccount } from '../support/client.js';
import { packageWith } from '../support/dev-servers.js';
import { rawRequest } from '../support/raw-http.js';
import { onAbleMachines } from '../support/sandboxes.js';
import { startTestServer, type TestServer } from '../support/server.js';

let server: TestServer;
let alice: TestAccount;

beforeAll(async () => {
  server = await startTestServer({
    PREVIEW_ORIGIN: 'http://*.previews.test',
    CODE_EDITOR_COMMAND: 'exec perl server.pl',
  });
  alice = await signUp(server);
});

afterAll(() => server.close());

const at = ({ id }: Checkout, path = 'code-editor'): string => `/api/sessions/${id}/${path}`;

interface Page {
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** As a browser whose DNS leads to the server. */
function visit(url: string, headers: Record<string, string> = {}): Promise<Page> {
  const { host, pathname, search } = new URL(url);
  return new Promise((resolve, reject) => {
    const asked = request(`${server.url}${pathname}${search}`, { headers: { host, ...headers } }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part: string) => (text += part));
      answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, text }));
    });
    asked.on('error', reject).end();
  });
}

/** The first visit of a browser; answers the origin and the cookie it was given. */
async function enter(url: string): Promise<{ origin: string; cookie: string }> {
  const { status, headers } = await visit(url);
  expect([status, headers['location']]).toEqual([303, '/']);
  const [given = ''] = headers['set-cookie'] ?? [];
  expect(given).toMatch(/; Path=\/; Max-Age=28800; HttpOnly; SameSite=Lax$/);
  return { origin: new URL(url).origin, cookie: given.split(';')[0]! };
}

async function start(checkout: Checkout, path?: string): Promise<string> {
  const { status, body } = await alice.post(at(checkout, path));
  if (status !== 200) throw new Error(`${status}: ${JSON.stringify(body)}`);
  return (body as { url: string }).url;
}

onAbleMachines('a code editor, and previews with origins of their own', () => {
  let checkout: Checkout;
  let url: string;
  beforeAll(async () => {
    checkout = await startCheckout(server, alice);
    await checkout.run(packageWith('.', { dev: 'exec perl server.pl' }));
    url = await start(checkout);
  });

  it('runs once, and is told of', async () => {
    expect(url).toMatch(/^http:\/\/[0-9a-f]{24}\.previews\.test\/\?preview_token=/);
    expect(new URL(await start(checkout)).host).toBe(new URL(url).host);
    const { body } = await alice.get(at(checkout));
    expect(body).toEqual({ running: true, url: expect.stringContaining(new URL(url).host) as string, port: 8000 });
  });

  it('its address is for keys that may write', async () => {
    const minted = await alice.post('/api/v1/auth/keys', { scopes: ['sandboxes:read'] });
    const reader = new Client(server.url, (minted.body as { raw_key: string }).raw_key);
    expect((await reader.get(at(checkout))).body).toEqual({ running: true, url: null, port: 8000 });
    expect((await reader.post(at(checkout))).status).toBe(403);
  });

  it('its address becomes a cookie of its host, which the sandbox never sees', async () => {
    const { origin, cookie } = await enter(url);
    const page = await visit(`${origin}/x?y=1`, { cookie: `a=b; ${cookie}; c=d`, authorization: 'Bearer x' });
    expect(page.status).toBe(200);
    expect(page.text).toContain('<h1>/x?y=1</h1>');
    expect(page.text).toContain('cookie: a=b; c=d\r');
    expect(page.text.toLowerCase()).toContain('host: localhost:8000');
    expect(page.text).not.toMatch(/roundhouse|Bearer/);
  });

  it('sets cookies of its own host only, and shapes its origin otherwise', async () => {
    const { origin, cookie } = await enter(url);
    const { headers } = await visit(`${origin}/`, { cookie });
    expect(headers['set-cookie']).toEqual(['taste=oats; Path=/']);
    expect(headers['content-security-policy']).toBe('img-src *');
    expect(headers['x-frame-options']).toBe('DENY');
    expect(headers['service-worker-allowed']).toBe('/');
    for (const name of ['clear-site-data', 'strict-transport-security', 'alt-svc'])
      expect(headers[name]).toBeUndefined();
    expect((await visit(`${origin}/go`, { cookie })).headers['location']).toBe('/landed?x=1');
  });

  it('opens for nobody without it, nor by the address of another', async () => {
    const { origin, cookie } = await enter(url);
    const other = new URL(await start(checkout, 'dev-server'));
    expect((await visit(`${origin}/`)).status).toBe(403);
    expect((await visit(`${other.origin}/`, { cookie })).status).toBe(403);
    expect((await visit(`${origin}/${other.search}`)).status).toBe(403);
    const upgrade = `GET /ws HTTP/1.1\r\nHost: ${new URL(url).host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n`;
    expect((await rawRequest(server.url, [`${upgrade}\r\n`])).status).toBe(403);
    const { status, text } = await rawRequest(server.url, [`${upgrade}Cookie: ${cookie}\r\n\r\n`]);
    expect(status).toBe(101);
    expect(text).toContain('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
    expect(text).not.toMatch(/set-cookie/i);
  });

  it('leaves the server’s own routes where they are', async () => {
    expect((await visit(`${server.url}/previews/x/`)).status).toBe(404);
    expect((await alice.get('/api/sessions')).status).toBe(200);
    expect((await visit('http://git.previews.test/api/sessions', { 'x-api-key': alice.key! })).status).toBe(200);
  });

  it('takes its port while it runs', async () => {
    await alice.delete(at(checkout, 'dev-server'));
    await checkout.run(packageWith('.', { dev: 'PORT=8000 exec perl server.pl' }));
    expect(await alice.post(at(checkout, 'dev-server'))).toMatchObject({ status: 409, body: { code: 'port_taken' } });
    expect((await alice.delete(at(checkout))).body).toEqual({ stopped: true });
    expect((await visit(url)).status).toBe(404);
    await start(checkout, 'dev-server');
    expect(await alice.post(at(checkout))).toMatchObject({ status: 409, body: { code: 'port_taken' } });
    expect((await alice.get(at(checkout))).body).toEqual({ running: false, url: null, port: null });
  });
});
