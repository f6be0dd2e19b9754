import { BlockList, isIP } from 'node:net';

/** IPv4 that is not the public internet (IANA special-purpose registry, plus multicast and class E). */
const SPECIAL_V4 = blockList('ipv4', [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.31.196.0/24',
  '192.52.193.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '192.175.48.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
]);

/** The only IPv6 that is routed publicly, and what of it is not or hides an IPv4 address (Teredo, 6to4). */
const GLOBAL_V6 = blockList('ipv6', ['2000::/3']);
const SPECIAL_V6 = blockList('ipv6', ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20', '2620:4f:8000::/48']);

/** `::ffff:0:0/96` (mapped) and `64:ff9b::/96` (NAT64): the IPv4 address inside decides. */
const CARRIES_V4 = [/^0:0:0:0:0:ffff:/, /^64:ff9b:0:0:0:0:/];

/** True when the address belongs to the public internet: nothing of this machine, its network or its cloud. */
export function isPublicAddress(address: string): boolean {
  const plain = plainAddress(address);
  if (plain === null) return false;
  if (isIP(plain) === 4) return !SPECIAL_V4.check(plain, 'ipv4');
  return GLOBAL_V6.check(plain, 'ipv6') && !SPECIAL_V6.check(plain, 'ipv6');
}

/** Networks, addresses and host names that may be called although they are not public. */
export class AllowedHosts {
  private readonly networks = new BlockList();
  private readonly names = new Set<string>();

  /** @param setting comma-separated. @throws Error naming the entry that is none of these */
  constructor(setting: string) {
    for (const entry of setting.split(',').map((part) => part.trim().toLowerCase())) {
      if (entry === '') continue;
      if (!addTo(this.networks, entry)) this.names.add(hostName(entry));
    }
  }

  hasName(host: string): boolean {
    return this.names.has(host.toLowerCase());
  }

  hasAddress(address: string): boolean {
    const plain = plainAddress(address);
    return plain !== null && this.networks.check(plain, isIP(plain) === 4 ? 'ipv4' : 'ipv6');
  }
}

/** An address in its canonical form, the IPv4 one when it carries one; null for what is no address. */
function plainAddress(address: string): string | null {
  const kind = isIP(address);
  if (kind === 0 || address.includes('%')) return null;
  if (kind === 4) return address;
  const groups = expand(address);
  if (!CARRIES_V4.some((shape) => shape.test(groups.join(':')))) return address;
  const [high = 0, low = 0] = groups.slice(6).map((group) => parseInt(group, 16));
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

/** The eight groups of an IPv6 address, without leading zeros. */
function expand(address: string): string[] {
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = '', tail] = canonical.split('::');
  const left = head === '' ? [] : head.split(':');
  if (tail === undefined) return left;
  const right = tail === '' ? [] : tail.split(':');
  return [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right];
}

function blockList(family: 'ipv4' | 'ipv6', networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', bits] = network.split('/');
    list.addSubnet(address, Number(bits), family);
  }
  return list;
}

/** False when `entry` is neither an address nor a network. */
function addTo(list: BlockList, entry: string): boolean {
  const [address = '', bits, ...more] = entry.replace(/^\[|\]$/g, '').split('/');
  const kind = isIP(address);
  if (kind === 0) return false;
  const family = kind === 4 ? 'ipv4' : 'ipv6';
  const widest = kind === 4 ? 32 : 128;
  if (bits === undefined) list.addAddress(address, family);
  else if (more.length === 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= widest)
    list.addSubnet(address, Number(bits), family);
  else throw new Error(`is no network: ${entry}`);
  return true;
}

function hostName(entry: string): string {
  if (/^[a-z0-9_]([a-z0-9_.-]{0,252}[a-z0-9_])?$/.test(entry)) return entry;
  throw new Error(`is neither a network nor a host name: ${entry}`);
}
