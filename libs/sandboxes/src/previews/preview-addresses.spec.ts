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

function addresses(origin?: string): { clock: SetClock; addresses: PreviewAddresses } {
  const clock = new SetClock();
  const config = Object.assign(new AppConfig(), { PUBLIC_URL: 'https://git.test', PREVIEW_ORIGIN: origin });
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
});
