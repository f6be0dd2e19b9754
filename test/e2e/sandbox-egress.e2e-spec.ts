import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Database } from '../../libs/platform/src/index.js';
import { type Checkout, startCheckout } from '../support/checkouts.js';
import { signUp, type TestAccount } from '../support/client.js';
import { DnsPeer } from '../support/peers/dns.js';
import { modelSettings } from '../support/model-settings.js';
import { LlmPeer } from '../support/peers/llm.js';
import { LOCALHOST } from '../support/peers/localhost-certificate.js';
import { eventually } from '../support/pinned-sessions.js';
import { startTestServer, type TestServer } from '../support/server.js';

let dns: DnsPeer;
let model: LlmPeer;
let site: Server;
let tlsSite: Server;
let port: number;
let tlsPort: number;
let server: TestServer;
let alice: TestAccount;
let sandbox: Checkout;
const visits: string[] = [];

beforeAll(async () => {
  dns = await DnsPeer.start();
  model = await LlmPeer.start();
  site = createServer((request, response) => {
    visits.push(request.headers.host ?? '');
    response.end('hello');
  });
  tlsSite = createTlsServer(LOCALHOST, (_request, response) => response.end('hello by tls'));
  for (const one of [site, tlsSite]) await once(one.listen(0, '127.0.0.1'), 'listening');
  [port, tlsPort] = [site, tlsSite].map((one) => (one.address() as AddressInfo).port) as [number, number];
  for (const name of ['allowed.test', 'a.wild.test', 'not-allowed.test']) dns.set(name, { A: ['127.0.0.1'] });
  dns.set('private.wild.test', { A: ['10.0.0.1'] });
  dns.set('metadata.wild.test', { A: ['169.254.169.254'] });
  dns.set('mixed.wild.test', { A: ['127.0.0.1', '10.0.0.1'] });
  dns.set('six.wild.test', { AAAA: ['0:0:0:0:0:ffff:0a00:1'] });
  server = await startTestServer({
    SANDBOX_EGRESS_HOSTS: `allowed.test:${port}, *.wild.test:${port}, allowed.test:${tlsPort}`,
    OUTBOUND_ALLOW_PRIVATE: '127.0.0.1/32',
    DNS_SERVER: dns.address,
    ...modelSettings(model),
  });
  alice = await signUp(server);
  sandbox = await startCheckout(server, alice);
});

afterAll(async () => {
  await server.close();
  for (const one of [site, tlsSite]) one.close();
  await dns.stop();
  await model.stop();
});

/** What curl says of an address through the proxy it finds, and how the proxy answered its CONNECT. */
const curl = (url: string, ...options: string[]): Promise<string> =>
  sandbox.run(`curl -sS -m 10 -p --noproxy '' -w ' %{http_connect}' ${options.join(' ')} ${url} 2>&1 || true`);
const at = (host: string): string => `http://${host}:${port}/`;

describe('the network of a sandbox, where the deployment allows hosts', () => {
  it('reaches these, by name and below a domain, with programs that know of proxies', async () => {
    expect(await curl(at('allowed.test'))).toBe('hello 200');
    expect(await curl(at('ALLOWED.test.'))).toBe('hello 200');
    expect(await curl(at('a.wild.test'))).toBe('hello 200');
    expect(await curl(`https://allowed.test:${tlsPort}/`, '-k')).toBe('hello by tls 200');
    expect(visits).toHaveLength(3);
    const many = await sandbox.run(`for n in 1 2 3 4 5 6 7 8; do curl -sS -p ${at('allowed.test')} & done; wait`);
    expect(many).toBe('hello'.repeat(8));
  });

  it('keeps what a command is: its exit, its streams, its input, its end', async () => {
    expect(await sandbox.run('sh -c "exit 7" || echo $?; no-such-program 2> /dev/null || echo $?; echo out; cat')).toBe(
      '7\n127\nout\n',
    );
    await expect(sandbox.run('exec sh -c "kill -9 $$"')).rejects.toThrow('137');
  });

  it.each([
    ['a host that is not named', 'not-allowed.test', 'not_allowed'],
    ['the machine itself', '127.0.0.1', 'not_allowed'],
    ['the machine by IPv6', '[::ffff:127.0.0.1]', 'not_allowed'],
    ['the metadata of a cloud', '169.254.169.254', 'not_allowed'],
    ['a private network', '10.0.0.1', 'not_allowed'],
    ['a name for a private address', 'private.wild.test', 'address_not_allowed'],
    ['a name for the metadata', 'metadata.wild.test', 'address_not_allowed'],
    ['a name with a private address among others', 'mixed.wild.test', 'address_not_allowed'],
    ['a name for a private address inside one of IPv6', 'six.wild.test', 'address_not_allowed'],
  ])('does not reach %s, and that is on record', async (_name, host, reason) => {
    const before = visits.length;
    expect(await curl(at(host))).toContain(' 403');
    expect(visits).toHaveLength(before);
    const target = `${host}:${port}`;
    await eventually(async () => {
      const rows = await server.app
        .get(Database)
        .query<{ payload: object }>(
          `select payload from event where type = 'sandbox.egress-denied' and subject_id = $1 and payload->>'target' = $2`,
          [sandbox.id, target],
        );
      return rows.length === 1 && JSON.stringify(rows[0]!.payload).includes(`"${reason}"`);
    });
  });

  it('reaches no other port of an allowed host, and no host by plain HTTP', async () => {
    expect(await curl('http://allowed.test:1/')).toContain(' 403');
    expect(await sandbox.run(`curl -sS -m 10 ${at('allowed.test')}`)).toBe(
      'Sandboxes reach allowed hosts by https only\n',
    );
  });

  it('judges a name by each answer of DNS, and connects to what it judged', async () => {
    const answers = ['127.0.0.1', '10.0.0.1', '127.0.0.1'];
    dns.set('rebind.wild.test', () => ({ A: [answers[0]!] }));
    const asked = (): number => dns.questions.filter((question) => question === 'A rebind.wild.test').length;
    for (const [index, expected] of ['hello 200', ' 403', 'hello 200'].entries()) {
      expect(await curl(at('rebind.wild.test'))).toContain(expected);
      expect(asked()).toBe(index + 1);
      answers.shift();
    }
  });

  it('says that a host does not answer, or is not there', async () => {
    dns.set('gone.wild.test', {});
    expect(await curl(at('gone.wild.test'))).toContain(' 502');
    expect(await curl(at('unknown.wild.test'))).toContain(' 502');
  });

  it('has nothing beside the proxy', async () => {
    expect(await sandbox.run('cat /proc/net/dev | tail -n +3 | cut -d: -f1 | tr -d " "')).toBe('lo\n');
    for (const address of ['127.0.0.1', '10.0.0.1', '169.254.169.254', '8.8.8.8'])
      expect(await sandbox.run(`curl -sS -m 3 --noproxy '*' http://${address}:${port}/ 2>&1 || true`)).toContain(
        'curl:',
      );
  });

  it('is what agents are told of it', async () => {
    const { body: session } = await alice.post('/v1/sessions');
    await alice.post(`/v1/sessions/${(session as { id: string }).id}/messages`, { message: 'Hello' });
    const { body: chat } = await alice.post('/api/chat/runs', { prompt: 'Hello' });
    await eventually(async () => {
      const { body } = await alice.get(`/api/chat/runs/${(chat as { runId: string }).runId}`);
      return (body as { status: string }).status !== 'running';
    });
    const told = model.calls.map(({ messages }) => messages[0]!.content as string);
    expect(told).toHaveLength(2);
    for (const text of told) {
      expect(text).toContain(`allowed.test:${port}, *.wild.test:${port}, allowed.test:${tlsPort} by https`);
      expect(text).not.toContain('no network');
    }
  });

  it('takes the credentials of the sandbox only', async () => {
    const proxy = '127.0.0.1:3128';
    for (const user of ['', `-U ${sandbox.id}:wrong`, '-U other:$(echo $https_proxy | cut -d: -f3 | cut -d@ -f1)'])
      expect(
        await sandbox.run(
          `curl -sS -m 10 -p -x http://${proxy} ${user} -w ' %{http_connect}' ${at('allowed.test')} 2>&1 || true`,
        ),
      ).toContain(' 407');
  });

  it('puts no more on record than a few denials a minute', async () => {
    const talkative = await startCheckout(server, alice);
    await talkative.run(`for n in $(seq 1 40); do curl -s -m 10 -p http://h$n.evil.test:1/ || true; done
      for n in 1 2 3; do curl -s -m 10 -p http://h1.evil.test:1/ || true; done`);
    const count = async (): Promise<number> => {
      const rows = await server.app
        .get(Database)
        .query(`select 1 from event where type = 'sandbox.egress-denied' and subject_id = $1`, [talkative.id]);
      return rows.length;
    };
    await eventually(async () => (await count()) === 20);
    expect(await curl(at('allowed.test'))).toBe('hello 200');
    expect(await count()).toBe(20);
  });
});
