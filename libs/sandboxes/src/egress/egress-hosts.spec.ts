import { EgressHosts, toTarget } from './egress-hosts.js';

describe('the hosts that sandboxes may reach', () => {
  const hosts = new EgressHosts('registry.npmjs.org, *.GitHub.com, mirror.test:8443');

  it.each<[string, number, boolean]>([
    ['registry.npmjs.org', 443, true],
    ['registry.npmjs.org', 80, false],
    ['evil-registry.npmjs.org', 443, false],
    ['registry.npmjs.org.evil.test', 443, false],
    ['api.github.com', 443, true],
    ['a.b.github.com', 443, true],
    ['github.com', 443, false],
    ['evilgithub.com', 443, false],
    ['mirror.test', 8443, true],
    ['mirror.test', 443, false],
  ])('%s at %i: %s', (host, port, isAllowed) => expect(hosts.allows(host, port)).toBe(isAllowed));

  it.each(['https://a.test', 'a.test/x', '*', '*.', 'a.test:99999', 'a b'])('are none of these: %s', (setting) =>
    expect(() => new EgressHosts(setting)).toThrow('is no host'),
  );

  it('are told as they are set', () =>
    expect(hosts.names).toEqual(['registry.npmjs.org', '*.github.com', 'mirror.test:8443']));

  it('are none when nothing is set', () => expect(new EgressHosts(' ,').isEmpty).toBe(true));
});

describe('where a request wants to go', () => {
  it.each<[string, { host: string; port: number } | null]>([
    ['API.GitHub.com:443', { host: 'api.github.com', port: 443 }],
    ['api.github.com.:443', { host: 'api.github.com', port: 443 }],
    ['169.254.169.254:80', { host: '169.254.169.254', port: 80 }],
    ['[::1]:443', null],
    ['a.test', null],
    ['a.test:0', null],
    ['a.test:70000', null],
    ['user@a.test:443', null],
    ['a.test:443/x', null],
    [`${'a'.repeat(300)}:443`, null],
  ])('%s', (authority, target) => expect(toTarget(authority)).toEqual(target));
});
