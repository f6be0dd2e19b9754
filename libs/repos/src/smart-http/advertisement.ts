import {
  AGENT,
  OBJECT_FORMAT,
  ZERO_OID,
  type GitService,
  type ProtocolVersion,
  type RefListing,
} from './git-protocol.js';
import { FLUSH_PKT, pktLine } from './pkt-line.js';

/** Fetching by id is offered because every want is checked against what the caller may see. */
const UPLOAD_PACK =
  'multi_ack thin-pack side-band side-band-64k ofs-delta shallow deepen-since deepen-not deepen-relative no-progress ' +
  'include-tag multi_ack_detailed allow-tip-sha1-in-want allow-reachable-sha1-in-want no-done filter';
const RECEIVE_PACK = 'report-status delete-refs side-band-64k quiet atomic ofs-delta';

const V2_CAPABILITIES = [AGENT, 'ls-refs=unborn', 'fetch=shallow wait-for-done filter', OBJECT_FORMAT];
const V2_ADVERTISEMENT = Buffer.concat([
  pktLine('version 2\n'),
  ...V2_CAPABILITIES.map((capability) => pktLine(`${capability}\n`)),
  FLUSH_PKT,
]);

/** Whether the advertisement for this request depends on the repository's refs at all. */
export function needsRefs(service: GitService, version: ProtocolVersion): boolean {
  return service === 'git-receive-pack' || version !== 2;
}

/** The version 2 answer to `info/refs?service=git-upload-pack`: the same for every repository. */
export function advertiseV2(): Buffer {
  return V2_ADVERTISEMENT;
}

/**
 * The version 0 or 1 answer to `info/refs` (contract 15.2). The first line always carries the capabilities, be the
 * repository empty or its default branch missing. Pushing knows no version 2 and answers it with version 0.
 */
export function advertiseRefs(service: GitService, version: ProtocolVersion, listing: RefListing): Buffer {
  const lines = service === 'git-upload-pack' ? uploadPackLines(listing) : receivePackLines(listing);
  const [first = `${ZERO_OID} capabilities^{}`, ...others] = lines;
  return Buffer.concat([
    pktLine(`# service=${service}\n`),
    FLUSH_PKT,
    ...(version === 1 ? [pktLine('version 1\n')] : []),
    pktLine(`${first}\0${capabilities(service, listing)}\n`),
    ...others.map((line) => pktLine(`${line}\n`)),
    FLUSH_PKT,
  ]);
}

function capabilities(service: GitService, { refs, defaultBranch }: RefListing): string {
  const tail = `${OBJECT_FORMAT} ${AGENT}`;
  if (service === 'git-receive-pack') return `${RECEIVE_PACK} ${tail}`;
  const hasHead = refs.some((ref) => ref.name === defaultBranch);
  return hasHead ? `${UPLOAD_PACK} symref=HEAD:${defaultBranch} ${tail}` : `${UPLOAD_PACK} ${tail}`;
}

function uploadPackLines({ refs, defaultBranch }: RefListing): string[] {
  const lines: string[] = [];
  const head = refs.find((ref) => ref.name === defaultBranch);
  if (head) lines.push(`${head.sha} HEAD`);
  for (const ref of refs) {
    lines.push(`${ref.sha} ${ref.name}`);
    if (ref.peeled !== null) lines.push(`${ref.peeled} ${ref.name}^{}`);
  }
  return lines;
}

/** Like git: refs only. A HEAD or a peeled line here would be offered as something to push to. */
function receivePackLines({ refs }: RefListing): string[] {
  return refs.map((ref) => `${ref.sha} ${ref.name}`);
}
