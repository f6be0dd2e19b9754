import { DomainError } from '#kernel';
import { isOid } from './git-protocol.js';
import { pktLine } from './pkt-line.js';

const LINE_SHOWN = 100;
/** Git's filters without `sparse:`, which reads its patterns from any object of the repository. */
const SIMPLE_FILTER = /^(blob:none|blob:limit=\d{1,15}[kmg]?|tree:\d{1,9}|object:type=(tag|commit|tree|blob))$/;

/** Packet text byte for byte (latin1), without its newline. Turn it into a packet again with `gitPkt`. */
export function lineText(data: Buffer): string {
  return data.toString('latin1', 0, data.at(-1) === 0x0a ? data.length - 1 : data.length);
}

export function gitPkt(line: string): Buffer {
  return pktLine(Buffer.from(`${line}\n`, 'latin1'));
}

/** The object id of a `want`, `have` or `shallow` line. @throws invalid_input */
export function oidAfter(keyword: string, line: string): string {
  const oid = line.slice(keyword.length);
  if (!isOid(oid)) throw new DomainError('invalid_input', `Expected an object id after ${keyword.trim()}`);
  return oid;
}

/** Whether `line` is a request about depth or filter that git may see as it is. @throws invalid_input for a bad one */
export function isStateLine(line: string): boolean {
  if (line.startsWith('shallow ')) return oidAfter('shallow ', line) !== '';
  if (line.startsWith('filter ')) return assertFilter(line.slice('filter '.length));
  return /^deepen [1-9]\d{0,9}$/.test(line) || /^deepen-since \d{1,12}$/.test(line) || isDeepenNot(line);
}

export function isDeepenNot(line: string): boolean {
  return line.startsWith('deepen-not ') && /^[^\x00-\x20\x7f~^:?*[\\-][^\x00-\x20\x7f~^:?*[\\]*$/.test(deepenNot(line));
}

export function deepenNot(line: string): string {
  return line.slice('deepen-not '.length);
}

export function unexpectedLine(line: string): DomainError {
  const shown = line.slice(0, LINE_SHOWN).replace(/[^\x20-\x7e]/g, '?');
  return new DomainError('invalid_input', `Unexpected line: ${shown}`);
}

function assertFilter(spec: string): boolean {
  const parts = spec.startsWith('combine:') ? spec.slice('combine:'.length).split('+') : [spec];
  if (!parts.every((part) => SIMPLE_FILTER.test(decoded(part)))) {
    throw new DomainError('invalid_input', 'This filter is not supported');
  }
  return true;
}

function decoded(part: string): string {
  return part.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
