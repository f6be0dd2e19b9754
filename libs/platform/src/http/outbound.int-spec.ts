import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { DnsPeer } from '../../../../test/support/peers/dns.js';
import { loadConfig } from '../config/app-config.js';
import { NameResolver } from './name-resolver.js';
import { Outbound } from './outbound.js';

const REFUSED = { code: 'invalid_input', reason: 'address_not_allowed' };
const FAILED = { code: 'upstream_failed', reason: 'no_answer' };

let dns: DnsPeer;
const servers: Server[] = [];

/** An HTTP server on an address of the loopback network; answers its port. */
async function serve(address: string, listener: RequestListener, port = 0): Promise<number> {
  const server = createServer(listener).listen(port, address);
  await once(server, 'listening');
  servers.push(server);
  return (server.address() as AddressInfo).port;
}

function outbound(allow?: string): Outbound {
  const config = loadConfig({
    DATABASE_URL: 'postgres://x',
    DNS_SERVER: dns.address,
    ...(allow !== undefined && { OUTBOUND_ALLOW_PRIVATE: allow }),
  });
  return new Outbound(config, new NameResolver(config));
}

beforeAll(async () => {
  dns = await DnsPeer.start();
});

afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections();
});

afterAll(() => dns.stop());

describe('an outbound call to where nobody may call', () => {
  it.each([
    'http://127.0.0.1/',
    'https://127.0.0.1/',
    'https://2130706433/',
    'https://0x7f.1/',
    'https://0177.0.0.1/',
    'https://[::1]/',
    'https://[::ffff:169.254.169.254]/',
    'https://[64:ff9b::a9fe:a9fe]/',
    'https://10.0.0.1:8443/',
    'https://100.64.0.1/',
    'https://198.18.0.1/',
    'https://0.0.0.0/',
    'http://8.8.8.8/',
    'ftp://8.8.8.8/',
    'https://user:secret@8.8.8.8/',
  ])('is refused before it is made: %s', async (url) => {
    await expect(outbound().fetch(url)).rejects.toMatchObject(REFUSED);
  });

  it.each([
    ['an A record', { A: ['10.0.0.1'] }],
    ['an AAAA record', { AAAA: ['fd00:0:0:0:0:0:0:1'] }],
    ['a mapped AAAA record', { AAAA: ['0:0:0:0:0:ffff:7f00:1'] }],
    ['one record of several', { A: ['8.8.8.8', '127.0.0.1'] }],
    ['AAAA behind a public A record', { A: ['8.8.8.8'], AAAA: ['fe80:0:0:0:0:0:0:1'] }],
  ])('is refused when %s says so', async (_, answers) => {
    dns.set('evil.example', answers);
    await expect(outbound().fetch('https://evil.example/')).rejects.toMatchObject(REFUSED);
    await expect(outbound().fetch('https://EVIL.example./')).rejects.toMatchObject(REFUSED);
  });
});

describe('an outbound call to an allowed address', () => {
  it('asks DNS once and goes to the address that was looked at, whatever DNS says next', async () => {
    const reached: string[] = [];
    const port = await serve('127.0.0.2', (_, response) => void (reached.push('looked at'), response.end('good')));
    await serve('127.0.0.1', (_, response) => void (reached.push('secret'), response.end('secret')), port);
    const asked = (): number => dns.questions.filter((question) => question === 'A rebind.example').length;
    dns.set('rebind.example', () => ({ A: [asked() <= 1 ? '127.0.0.2' : '127.0.0.1'] }));
    const calls = outbound('127.0.0.2/32');

    const first = await calls.fetch(`http://rebind.example:${port}/`);
    expect(await first.text()).toBe('good');
    expect(asked()).toBe(1);
    await expect(calls.fetch(`http://rebind.example:${port}/`)).rejects.toMatchObject(REFUSED);
    expect(reached).toEqual(['looked at']);
  });

  it('sends method, headers, Host and body, and brings status, headers and body back', async () => {
    const port = await serve('127.0.0.1', (request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (chunk: Buffer) => parts.push(chunk));
      request.on('end', () => {
        response.writeHead(201, {
          'x-method': request.method,
          'x-host': request.headers.host,
          'set-cookie': ['a', 'b'],
        });
        response.end(`${request.headers['x-mine']}:${Buffer.concat(parts).toString()}`);
      });
    });
    dns.set('id.corp.example', { A: ['127.0.0.1'] });
    const answer = await outbound('id.corp.example').fetch(`http://id.corp.example:${port}/x?y`, {
      method: 'POST',
      headers: { 'x-mine': '1' },
      body: 'hé',
    });
    expect(answer.status).toBe(201);
    expect(answer.headers.get('x-method')).toBe('POST');
    expect(answer.headers.get('x-host')).toBe(`id.corp.example:${port}`);
    expect(answer.headers.getSetCookie()).toEqual(['a', 'b']);
    expect(await answer.text()).toBe('1:hé');
  });

  it('follows no redirect unless asked to, and then looks at every address on the way', async () => {
    const seen: (string | undefined)[] = [];
    const port = await serve('127.0.0.2', (request, response) => {
      seen.push(request.headers.authorization);
      const to = { '/in': 'http://127.0.0.1:9/', '/on': '/end', '/away': `http://127.0.0.3:${port}/end` }[request.url!];
      if (to === undefined) response.end('end');
      else response.writeHead(302, { location: to }).end();
    });
    await serve('127.0.0.3', (request, response) => response.end(`away ${request.headers.authorization}`), port);
    const calls = outbound('127.0.0.2,127.0.0.3');
    const headers = { authorization: 'Bearer x' };
    const at = (path: string, redirects?: number) =>
      calls.fetch(`http://127.0.0.2:${port}${path}`, { headers, ...(redirects !== undefined && { redirects }) });

    expect((await at('/on')).status).toBe(302);
    expect(await (await at('/on', 1)).text()).toBe('end');
    expect(await (await at('/away', 1)).text()).toBe('away undefined');
    await expect(at('/in', 1)).rejects.toMatchObject(REFUSED);
  });
});

describe('an outbound call that goes wrong', () => {
  it('ends when the answer is larger than it may be, silent, slow or cut off', async () => {
    const port = await serve('127.0.0.1', (request, response) => {
      if (request.url === '/large') response.end(Buffer.alloc(5000));
      if (request.url === '/slow') response.write('x');
      if (request.url === '/cut')
        response.writeHead(200, { 'content-length': 9 }).write('x', () => request.socket.destroy());
    });
    const calls = outbound('127.0.0.0/8');
    const url = `http://127.0.0.1:${port}`;
    await expect(calls.fetch(`${url}/large`, { maxBytes: 4999 })).rejects.toMatchObject(FAILED);
    expect((await calls.fetch(`${url}/large`, { maxBytes: 5000 })).status).toBe(200);
    await expect(calls.fetch(`${url}/silent`, { timeoutMs: 50 })).rejects.toMatchObject({ code: 'timeout' });
    await expect(calls.fetch(`${url}/slow`, { timeoutMs: 50 })).rejects.toMatchObject({ code: 'timeout' });
    await expect(calls.fetch(`${url}/cut`)).rejects.toMatchObject(FAILED);
  });

  it('says that nobody answers when there is no host, no server, or a name without an address', async () => {
    dns.set('empty.example', { TXT: ['x'] });
    const calls = outbound('127.0.0.0/8');
    const port = await serve('127.0.0.1', () => undefined);
    servers.pop()!.close();
    for (const url of ['https://unknown.example/', 'https://empty.example/', `http://127.0.0.1:${port}/`])
      await expect(calls.fetch(url)).rejects.toMatchObject(FAILED);
  });

  it('keeps no connection for the next one', async () => {
    const port = await serve('127.0.0.1', (_, response) => response.end('x'));
    await outbound('127.0.0.1').fetch(`http://127.0.0.1:${port}/`);
    const probe = connect(port, '127.0.0.1');
    await once(probe, 'connect');
    const open = await new Promise<number>((resolve) => servers[0]!.getConnections((_, count) => resolve(count)));
    probe.destroy();
    expect(open).toBe(1);
  });
});
