import { AllowedHosts, isPublicAddress } from './public-addresses.js';

describe('a public address', () => {
  it.each([
    '8.8.8.8',
    '100.63.255.255',
    '100.128.0.0',
    '172.32.0.1',
    '198.20.0.1',
    '2606:4700::1111',
    '::ffff:8.8.8.8',
    '64:ff9b::808:808',
  ])('is %s', (address) => expect(isPublicAddress(address)).toBe(true));

  it.each([
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '100.127.255.255',
    '127.0.0.1',
    '127.255.0.3',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.0.0.1',
    '192.168.1.1',
    '198.18.0.1',
    '198.19.255.255',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:a9fe:a9fe',
    '0:0:0:0:0:ffff:10.0.0.1',
    '::127.0.0.1',
    '64:ff9b::7f00:1',
    '64:ff9b::169.254.169.254',
    '64:ff9b:1::808:808',
    'fc00::1',
    'fd12:3456::1',
    'fe80::1',
    'fe80::1%eth0',
    'fec0::1',
    'ff02::1',
    '2001::1',
    '2001:db8::1',
    '2002:7f00:1::',
    '100::1',
    'localhost',
    '',
  ])('is not %s', (address) => expect(isPublicAddress(address)).toBe(false));
});

describe('the list of allowed hosts', () => {
  const allowed = new AllowedHosts('10.0.0.0/8, 192.168.1.7,fd00::/8,[::1], id.corp.example ,');

  it.each(['10.200.0.1', '::ffff:10.0.0.1', '192.168.1.7', 'fd00::5', '::1'])('holds %s', (address) =>
    expect(allowed.hasAddress(address)).toBe(true),
  );

  it.each(['11.0.0.1', '192.168.1.8', 'fe80::1', '127.0.0.1', '::ffff:127.0.0.1'])('does not hold %s', (address) =>
    expect(allowed.hasAddress(address)).toBe(false),
  );

  it('knows hosts by their whole name in any case', () => {
    expect(allowed.hasName('ID.corp.example')).toBe(true);
    expect(allowed.hasName('corp.example')).toBe(false);
    expect(allowed.hasName('x.id.corp.example')).toBe(false);
  });

  it.each(['10.0.0.0/33', 'fd00::/129', '10.0.0.0/x', 'a b', 'https://id.example'])('refuses %j', (setting) =>
    expect(() => new AllowedHosts(setting)).toThrow(/network/),
  );
});
