import { once } from 'node:events';
import { Database } from '../../libs/platform/src/index.js';
import { SandboxProvider } from '../../libs/sandboxes/src/index.js';
import { type Checkout, runIn, startCheckout } from '../support/checkouts.js';
import { moveClock } from '../support/clock.js';
import { type Answer, Client, signUp, type TestAccount } from '../support/client.js';
import { packageWith } from '../support/dev-servers.js';
import { eventually } from '../support/pinned-sessions.js';
import { rawRequest } from '../support/raw-http.js';
import { onAbleMachines } from '../support/sandboxes.js';
import { startTestServer, type TestServer } from '../support/server.js';

let server: TestServer;
let alice: TestAccount;

beforeAll(async () => {
  server = await startTestServer();
  alice = await signUp(server);
});

afterAll(() => server.close());

const at = ({ id }: Pick<Checkout, 'id'>, path = 'dev-server'): string => `/api/sessions/${id}/${path}`;
const SERVES = { dev: 'exec perl server.pl' };

/** Where a preview is on the test server: without a trailing slash. */
async function start(checkout: Pick<Checkout, 'id'>): Promise<string> {
  const { status, body } = await alice.post(at(checkout));
  if (status !== 200) throw new Error(`${status}: ${JSON.stringify(body)}`);
  return new URL((body as { url: string }).url).pathname.slice(0, -1);
}

async function prepared(scripts: Record<string, string> = SERVES, folder = '.'): Promise<Checkout> {
  const checkout = await startCheckout(server, alice);
  await checkout.run(packageWith(folder, scripts));
  return checkout;
}

const visit = (path: string, options: RequestInit = {}): Promise<Response> =>
  fetch(server.url + path, { redirect: 'manual', ...options });

onAbleMachines('a dev server in a sandbox', () => {
  let checkout: Checkout;
  let base: string;
  beforeAll(async () => {
    checkout = await prepared();
    base = await start(checkout);
  });

  it('is started once, however many ask, and each is told an address of its own', async () => {
    const other = await prepared(SERVES, 'apps/web');
    const answers = await Promise.all([1, 2, 3].map(() => alice.post(at(other))));
    for (const { status, body } of answers)
      expect([status, body]).toMatchObject([200, { packagePath: 'apps/web', port: 3000 }]);
    const again = await alice.post(at(other));
    expect(again).toMatchObject({ status: 200, body: { packagePath: 'apps/web', port: 3000 } });
    const rows = await server.app
      .get(Database)
      .query('select 1 from execution where sandbox_id = $1 and ended_at is null', [other.id]);
    expect(rows).toHaveLength(1);
    for (const { body } of [...answers, again]) {
      const { pathname } = new URL((body as { url: string }).url);
      expect(await (await visit(`${pathname}page`)).text()).toContain('<h1>/page</h1>');
    }
  });

  it('answers with any method, body and path, and with many requests at once', async () => {
    const text = await (await visit(`${base}/a/b%20c?d=e&f`)).text();
    expect(text).toContain('<h1>/a/b%20c?d=e&f</h1>');
    expect(text.split('\n')[1]).toBe('GET /a/b%20c?d=e&f HTTP/1.1\r');
    expect(await (await visit(base)).text()).toContain('<h1>/</h1>');
    expect(await (await visit(`${base}?q`)).text()).toContain('<h1>/?q</h1>');
    const bytes = Buffer.alloc(1_000_000, 'ab');
    const echoed = await visit(`${base}/echo`, { method: 'POST', body: new Uint8Array(bytes) });
    expect([echoed.status, Buffer.from(await echoed.arrayBuffer()).equals(bytes)]).toEqual([201, true]);
    const chunked = await rawRequest(
      server.url,
      [`POST ${base}/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`],
      (all) => all.endsWith('hello'),
    );
    expect(chunked.status).toBe(201);
    const many = await Promise.all(
      Array.from({ length: 60 }, (_, n) => visit(`${base}/${n}`).then((one) => one.text())),
    );
    for (const [n, page] of many.entries()) expect(page).toContain(`<h1>/${n}</h1>`);
  });

  it('streams, and hears of a reader who leaves', async () => {
    const leaving = new AbortController();
    const response = await visit(`${base}/stream`, { signal: leaving.signal });
    const reader = response.body!.getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe('data: first\n\n');
    leaving.abort();
    expect((await visit(`${base}/`)).status).toBe(200);
  });

  it('speaks by WebSocket', async () => {
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}${base}/ws`);
    await once(socket, 'open');
    for (const text of ['hello', 'again']) {
      const answered = once(socket, 'message') as Promise<[{ data: string }]>;
      socket.send(text);
      expect((await answered)[0].data).toBe(text);
    }
    const closed = once(socket, 'close');
    socket.close();
    await closed;
  });
});

onAbleMachines('what a preview and the server keep from each other', () => {
  let base: string;
  beforeAll(async () => {
    base = await start(await prepared());
  });

  it('the server’s credentials do not get in, nor what proxies add', async () => {
    const headers = {
      'x-api-key': alice.key!,
      authorization: `Bearer ${alice.key}`,
      cookie: 'own=secret',
      'x-session-id': 'ses_x',
      'x-forwarded-for': '10.0.0.1',
      origin: server.url,
      referer: `${server.url}${base}/`,
      'x-custom': 'passes',
    };
    const text = (await (await visit(`${base}/`, { headers })).text()).toLowerCase();
    expect(text).toContain('x-custom: passes');
    expect(text).toContain('host: localhost:3000');
    expect(text).toContain('origin: http://localhost:3000');
    for (const absent of [alice.key!.toLowerCase(), 'cookie', 'ses_x', 'forwarded', 'referer'])
      expect(text).not.toContain(absent);
  });

  it('its pages are of no origin, and say nothing of the server’s', async () => {
    const { headers } = await visit(`${base}/`);
    const policies = headers.get('content-security-policy')!;
    expect(policies).toContain('img-src *');
    expect(policies).toContain('sandbox allow-scripts');
    expect(policies).not.toContain('allow-same-origin');
    expect(headers.get('access-control-allow-origin')).toBe('*');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    expect(headers.get('cache-control')).toBe('private, max-age=60');
    for (const name of [
      'set-cookie',
      'clear-site-data',
      'strict-transport-security',
      'service-worker-allowed',
      'alt-svc',
    ])
      expect(headers.get(name)).toBeNull();
  });

  it('a redirect inside leads to the same preview', async () => {
    const { status, headers } = await visit(`${base}/go`);
    expect([status, headers.get('location')]).toEqual([302, `${base}/landed?x=1`]);
  });

  it.each(['broken', 'other', 'odd'])('an answer that is none is 502: %s', async (path) => {
    expect((await visit(`${base}/${path}`)).status).toBe(502);
  });

  it('an answer before the whole body has come is passed on, and ends the connection', async () => {
    const head = `POST ${base}/early HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n`;
    const { status, text } = await rawRequest(server.url, [head, 'x'.repeat(1_000)], () => false);
    expect([status, text.endsWith('no'), /connection: close/i.test(text)]).toEqual([413, true, true]);
  });

  it('its environment holds nothing of the server’s, and nobody else’s port is open', async () => {
    const env = await (await visit(`${base}/env`)).text();
    expect(env).toContain('PORT=3000');
    expect(env).not.toMatch(/DATABASE|ROUNDHOUSE|API_KEY/);
    await expect(rawRequest(server.url.replace(/:\d+$/, ':3000'), ['GET / HTTP/1.1\r\n\r\n'])).resolves.toMatchObject({
      status: 0,
    });
  });

  it('no address opens it but one that was signed for it', async () => {
    const other = await start(await prepared());
    const [id, ...token] = base.slice('/previews/'.length).split('.');
    const [otherId] = other.slice('/previews/'.length).split('.');
    const forged = [
      `/previews/${otherId}.${token.join('.')}/`,
      `/previews/${id}.zzzzzzzz.${token[1]}/`,
      `/previews/${id}.${token[0]}.${'A'.repeat(43)}/`,
      `/previews/${id}/`,
      '/previews/',
      '/previews',
      `/previews/%00/${'x'.repeat(5_000)}`,
    ];
    for (const path of forged) expect((await visit(path)).status).toBe(403);
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}${forged[0]}ws`);
    await once(socket, 'error');
  });

  it('a request that offers another protocol is answered as ever', async () => {
    const body = '{"title":"by h2c"}';
    const { status, text } = await rawRequest(
      server.url,
      [
        `POST /api/sessions HTTP/1.1\r\nHost: x\r\nx-api-key: ${alice.key}\r\nContent-Type: application/json\r\n` +
          `Content-Length: ${body.length}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n${body}`,
      ],
      (all) => all.includes('by h2c'),
    );
    expect([status < 300, text.includes('"title":"by h2c"')]).toEqual([true, true]);
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}/api/sessions`);
    await once(socket, 'error');
  });
});

onAbleMachines('the end of a dev server', () => {
  const isGone = async (base: string): Promise<boolean> => (await visit(`${base}/`)).status === 404;

  it('comes when it is stopped, and the next one is another', async () => {
    const checkout = await prepared();
    const base = await start(checkout);
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}${base}/ws`);
    await once(socket, 'open');
    const closed = once(socket, 'close');
    expect((await alice.delete(at(checkout))).body).toEqual({ stopped: true, packagePath: '.', port: 3000 });
    await closed;
    expect(await isGone(base)).toBe(true);
    expect((await alice.delete(at(checkout))).body).toEqual({ stopped: false, packagePath: null, port: null });
    const next = await start(checkout);
    expect((await visit(`${next}/`)).status).toBe(200);
    expect(await isGone(base)).toBe(true);
  });

  it.each<[string, (checkout: Checkout) => Promise<unknown>]>([
    ['the sandbox is paused', (checkout) => alice.delete('/api/sandbox', { sessionId: checkout.id })],
    ['the session is archived', (checkout) => alice.patch(`/api/sessions/${checkout.id}`, { status: 'archived' })],
    ['it dies', (checkout) => server.app.get(SandboxProvider, { strict: false }).stop(checkout.id)],
  ])('comes when %s', async (_name, end) => {
    const checkout = await prepared();
    const base = await start(checkout);
    await end(checkout);
    await eventually(() => isGone(base));
  });

  it('does not wait for its viewers: idle sandboxes rest', async () => {
    const checkout = await prepared();
    const base = await start(checkout);
    await visit(`${base}/`);
    await server.app
      .get(Database)
      .query(`update coding_session set hibernate_after = now() - interval '1 min' where sandbox_id = $1`, [
        checkout.id,
      ]);
    await alice.get(`/api/sandbox/status?sessionId=${checkout.id}`);
    await eventually(() => isGone(base));
    expect(await alice.post(at(checkout))).toMatchObject({
      status: 409,
      body: { error: 'Sandbox is unavailable. Please resume sandbox.' },
    });
  });
});

onAbleMachines('a dev server that cannot be started', () => {
  const refusal = (answer: Answer): unknown => [answer.status, answer.body.code, answer.body.error];

  it('is told with what it said', async () => {
    const checkout = await prepared({ start: 'echo no such luck >&2; exit 3' });
    expect(refusal(await alice.post(at(checkout)))).toEqual([
      409,
      'preview_failed',
      expect.stringMatching(/exit code 3.*no such luck/) as string,
    ]);
    await runIn(server, checkout.id, 'rm -f work/package.json; mkdir work/package.json; ln -s /dev/zero work/x');
    expect(refusal(await alice.post(at(checkout)))).toEqual([409, 'no_dev_script', expect.any(String) as string]);
  });

  it('does not stand in the way of the next', async () => {
    const checkout = await prepared({ dev: 'exit 1' });
    expect((await alice.post(at(checkout))).status).toBe(409);
    await checkout.run(packageWith('.', SERVES));
    expect((await visit(`${await start(checkout)}/`)).status).toBe(200);
  });

  it('is somebody else’s, or its sandbox is not up', async () => {
    const checkout = await prepared();
    const bob = await signUp(server);
    expect((await bob.post(at(checkout))).status).toBe(403);
    expect((await new Client(server.url, null).post(at(checkout))).status).toBe(401);
    const { body } = await alice.post('/api/sessions');
    const fresh = (body as { session: { id: string } }).session.id;
    expect(await alice.post(at({ id: fresh }))).toMatchObject({
      status: 400,
      body: { error: 'Sandbox not initialized' },
    });
  });
});

onAbleMachines('the address of a dev server', () => {
  it('is worth nothing after eight hours', async () => {
    const checkout = await prepared();
    const base = await start(checkout);
    moveClock([server], 8 * 3_600_000);
    const late = await visit(`${base}/`);
    expect([late.status, await late.text()]).toEqual([403, 'The address has expired; ask for a new one\n']);
  });
});
