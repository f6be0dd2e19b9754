import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EgressHosts } from './egress-hosts.js';
import { EgressProxy } from './egress-proxy.js';

const folder = mkdtempSync(join(tmpdir(), 'roundhouse-proxy-'));
const path = join(folder, 'proxy.sock');
const sockets: Socket[] = [];
let echo: Server;
let port: number;
let proxy: EgressProxy;

beforeAll(async () => {
  echo = createServer((socket) => socket.on('error', () => undefined).pipe(socket));
  await once(echo.listen(0, '127.0.0.1'), 'listening');
  port = (echo.address() as AddressInfo).port;
  proxy = new EgressProxy({
    hosts: new EgressHosts(`echo.test:${port}`),
    sandboxOf: (user, password) => (password === `of ${user}` ? user : null),
    connect: async () => {
      const socket = connect(port, '127.0.0.1');
      await once(socket, 'connect');
      return socket;
    },
    onDenied: () => undefined,
  });
  await proxy.listen(path);
});

afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await proxy.close();
  echo.close();
  rmSync(folder, { recursive: true });
});

async function open(user: string, password = `of ${user}`): Promise<{ socket: Socket; status: string }> {
  const socket = connect(path).on('error', () => undefined);
  sockets.push(socket);
  const credentials = Buffer.from(`${user}:${password}`).toString('base64');
  socket.write(
    `CONNECT echo.test:${port} HTTP/1.1\r\nHost: echo.test\r\nProxy-Authorization: Basic ${credentials}\r\n\r\n`,
  );
  const [answer] = (await once(socket, 'data')) as [Buffer];
  return { socket, status: answer.toString().slice(9, 12) };
}

describe('the proxy of sandboxes', () => {
  it('carries bytes both ways, and ends both when one does', async () => {
    const { socket, status } = await open('a');
    expect(status).toBe('200');
    socket.write('ping');
    expect(String((await once(socket, 'data'))[0])).toBe('ping');
    socket.end();
    await once(socket, 'close');
  });

  it('knows who asks', async () => {
    expect((await open('a', 'of b')).status).toBe('407');
    expect((await open('', '')).status).toBe('407');
  });

  it('gives a sandbox 64 connections at a time, and leaves others theirs', async () => {
    const held = await Promise.all(Array.from({ length: 64 }, () => open('busy')));
    expect(new Set(held.map(({ status }) => status))).toEqual(new Set(['200']));
    expect((await open('busy')).status).toBe('429');
    expect((await open('other')).status).toBe('200');
    const closed = once(held[0]!.socket, 'close');
    held[0]!.socket.destroy();
    await closed;
    for (let status = '429'; status !== '200';) ({ status } = await open('busy'));
  });
});
