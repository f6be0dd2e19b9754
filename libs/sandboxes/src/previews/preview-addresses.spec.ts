import { AppConfig } from '#platform';
import { Clock } from '#kernel';
import { PreviewAddresses } from './preview-addresses.js';

class SetClock extends Clock {
  time = Date.UTC(2030, 0, 1);
  now(): number {
    return this.time;
  }
}

const ID = 'a1'.repeat(12);

function addresses(
  PREVIEW_ORIGIN?: string,
  PUBLIC_URL = 'https://git.test',
): { clock: SetClock; addresses: PreviewAddresses } {
  const clock = new SetClock();
  const config = Object.assign(new AppConfig(), { PUBLIC_URL, PREVIEW_ORIGIN });
  return { clock, addresses: new PreviewAddresses(config, clock) };
}

describe('the address of a preview', () => {
  it('is good for eight hours, for one preview, in one process', () => {
    const { clock, addresses: one } = addresses();
    const { pathname } = new URL(one.of(ID));
    const asked = one.asked({ url: `${pathname}a?b`, headers: {} })!;
    expect(asked).toMatchObject({ id: ID, rest: '/a?b', base: pathname.slice(0, -1) });
    const token = asked.token!;
    expect(one.judge(ID, token)).toBe('good');
    expect(one.judge('b2'.repeat(12), token)).toBe('forged');
    expect(addresses().addresses.judge(ID, token)).toBe('forged');
    expect(one.judge(ID, token.replace(/^./, 'z'))).toBe('forged');
    clock.time += 8 * 3_600_000 - 1;
    expect(one.judge(ID, token)).toBe('good');
    clock.time += 1;
    expect(one.judge(ID, token)).toBe('expired');
  });

  it.each(['/', '/api/sessions', '/previewsx/', '/api/previews/x'])('is not %s', (url) => {
    expect(addresses().addresses.asked({ url, headers: {} })).toBeNull();
  });

  it('with an origin of its own is a host, whose token becomes a cookie', () => {
    const { addresses: one } = addresses('https://*.Previews.test:8443');
    const { host, search } = new URL(one.of(ID));
    expect(host).toBe(`${ID}.previews.test:8443`);
    const first = one.asked({ url: `/a?x=1&${search.slice(1)}&y=2`, headers: { host: host.toUpperCase() } })!;
    expect(first).toMatchObject({ id: ID, path: '/a?x=1&y=2', isFirst: true });
    const cookie = one.cookie(first.token!);
    expect(cookie).toMatch(/^__Host-roundhouse_preview=.*; HttpOnly; SameSite=Lax; Secure$/);
    const next = one.asked({ url: '/b', headers: { host, cookie: `a=b; ${cookie.split(';')[0]}` } })!;
    expect(next).toMatchObject({ id: ID, token: first.token, rest: '/b', base: '', isFirst: false });
    expect(one.asked({ url: '/previews/x', headers: { host: 'git.test' } })).toBeNull();
    expect(one.asked({ url: '/', headers: { host: 'git.previews.test:8443' } })).toBeNull();
    expect(one.asked({ url: `//evil.test/${search}`, headers: { host } })).toMatchObject({ path: '/evil.test/' });
  });

  it('on the browser’s own machine leads pages to an origin of their own, by the port they came by', () => {
    const { addresses: one } = addresses(undefined, 'http://127.0.0.1:8080');
    const url = `${new URL(one.of(ID)).pathname}a?b`;
    const headers = { host: 'localhost:9000', 'user-agent': 'Chrome/1', 'sec-fetch-dest': 'document' };
    const asked = one.asked({ url, headers })!;
    const { host, pathname, search } = new URL(one.apart(asked, { method: 'GET', headers })!);
    expect(host).toBe(`${ID}.localhost:9000`);
    const first = one.asked({ url: pathname + search, headers: { host } })!;
    expect(first).toMatchObject({ id: ID, token: asked.token, path: '/a?b', isApart: true, isFirst: true });
    expect(one.apart(first, { method: 'GET', headers: { ...headers, host } })).toBeNull();
    const elsewhere = [
      { ...headers, host: '10.0.0.1:9000' },
      { ...headers, host: 'localhost.evil.test' },
      { ...headers, 'user-agent': 'Version/18 Safari/605' },
      { ...headers, 'sec-fetch-dest': 'iframe' },
      { host: 'localhost:9000' },
    ];
    for (const others of elsewhere) expect(one.apart(asked, { method: 'GET', headers: others })).toBeNull();
    expect(one.apart(asked, { method: 'POST', headers })).toBeNull();
  });

  it('has no such origin on a server that others come to', () => {
    const { addresses: one } = addresses();
    const headers = { host: 'localhost:9000', 'user-agent': 'Chrome/1', 'sec-fetch-dest': 'document' };
    expect(
      one.apart(one.asked({ url: new URL(one.of(ID)).pathname, headers })!, { method: 'GET', headers }),
    ).toBeNull();
    expect(one.asked({ url: '/', headers: { host: `${ID}.localhost:9000` } })).toBeNull();
  });
});
