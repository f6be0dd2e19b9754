import { DomainError } from '#kernel';
import type { AdvertisedRef, RefListing } from './git-protocol.js';
import { FLUSH_PKT, pktLine } from './pkt-line.js';

export interface LsRefsRequest {
  readonly peel: boolean;
  readonly symrefs: boolean;
  readonly unborn: boolean;
  /** A ref is listed when it begins with one of these; none at all lists every ref. */
  readonly prefixes: readonly string[];
}

/** Beyond this many prefixes a client gets every ref, as from git: the filter would cost more than it saves. */
const MOST_PREFIXES = 65_536;

/** @throws invalid_input for an unknown argument */
export function parseLsRefs(args: readonly string[]): LsRefsRequest {
  const prefixes: string[] = [];
  const flags = new Set<string>();
  for (const arg of args) {
    if (arg.startsWith('ref-prefix ')) prefixes.push(arg.slice('ref-prefix '.length));
    else if (arg === 'peel' || arg === 'symrefs' || arg === 'unborn') flags.add(arg);
    else throw new DomainError('invalid_input', 'Unexpected ls-refs argument');
  }
  return {
    peel: flags.has('peel'),
    symrefs: flags.has('symrefs'),
    unborn: flags.has('unborn'),
    prefixes: prefixes.length > MOST_PREFIXES ? [] : prefixes,
  };
}

/** The version 2 reply to `ls-refs`: HEAD first, then the refs in the order given. */
export function lsRefs(request: LsRefsRequest, { refs, defaultBranch }: RefListing): Buffer {
  const isListed = (name: string): boolean =>
    request.prefixes.length === 0 || request.prefixes.some((prefix) => name.startsWith(prefix));
  const lines: string[] = [];
  if (isListed('HEAD')) {
    const target = request.symrefs ? ` symref-target:${defaultBranch}` : '';
    const head = refs.find((ref) => ref.name === defaultBranch);
    if (head) lines.push(`${head.sha} HEAD${target}`);
    else if (request.unborn && request.symrefs) lines.push(`unborn HEAD${target}`);
  }
  for (const ref of refs) if (isListed(ref.name)) lines.push(lineOf(ref, request.peel));
  return Buffer.concat([...lines.map((line) => pktLine(`${line}\n`)), FLUSH_PKT]);
}

function lineOf(ref: AdvertisedRef, peel: boolean): string {
  return peel && ref.peeled !== null ? `${ref.sha} ${ref.name} peeled:${ref.peeled}` : `${ref.sha} ${ref.name}`;
}
