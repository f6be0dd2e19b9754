import { DomainError } from '#kernel';
import { deepenNot, gitPkt, isDeepenNot, isStateLine, lineText, oidAfter, unexpectedLine } from './fetch-grammar.js';
import { OBJECT_FORMAT, type ProtocolVersion } from './git-protocol.js';
import { FLUSH_PKT, type Pkt } from './pkt-line.js';
import type { UploadPackParser, UploadPackRequest } from './fetch-request.js';

const KNOWN_CAPABILITIES = new Set([
  'multi_ack',
  'multi_ack_detailed',
  'no-done',
  'thin-pack',
  'side-band',
  'side-band-64k',
  'ofs-delta',
  'shallow',
  'deepen-since',
  'deepen-not',
  'deepen-relative',
  'no-progress',
  'include-tag',
  'filter',
]);
const AGENT = /^agent=[\x21-\x7e]{1,256}$/;
/** A caller who sees some refs only must get no tag and no delta base that other refs lead to. */
const NOT_FOR_LIMITED = new Set(['include-tag', 'thin-pack']);

/** Versions 0 and 1: wants and depth up to a flush, then rounds of haves, then done. */
export class FetchV0Parser implements UploadPackParser {
  private phase: 'wants' | 'haves' | 'done' = 'wants';
  private readonly wants = new Set<string>();
  private capabilities: readonly string[] = [];
  private readonly state: string[] = [];
  /** Have lines and done; null for a flush between rounds. */
  private readonly negotiation: (string | null)[] = [];

  constructor(private readonly version: ProtocolVersion) {}

  accept(pkt: Pkt): void {
    if (pkt.type === 'flush') this.acceptFlush();
    else if (pkt.type === 'data') this.acceptLine(lineText(pkt.data));
    else throw unexpectedLine(pkt.type);
  }

  finish(): UploadPackRequest {
    const { wants, state } = this;
    if (wants.size === 0) {
      if (state.length > 0 || this.negotiation.some((line) => line !== null))
        throw unexpectedLine('request without wants');
      return { kind: 'empty' };
    }
    if (this.phase === 'wants') throw new DomainError('invalid_input', 'The request ends within its wants');
    return {
      kind: 'fetch',
      request: {
        version: this.version,
        wants: [...wants],
        deepenNot: state.filter(isDeepenNot).map(deepenNot),
        toGit: ({ limited }) => this.rebuild(limited),
      },
    };
  }

  private acceptFlush(): void {
    if (this.phase === 'done') throw unexpectedLine('flush');
    if (this.phase === 'wants') this.phase = 'haves';
    else this.negotiation.push(null);
  }

  private acceptLine(line: string): void {
    if (this.phase === 'wants') this.acceptWant(line);
    else if (this.phase === 'haves' && line.startsWith('have '))
      this.negotiation.push(`have ${oidAfter('have ', line)}`);
    else if (this.phase === 'haves' && line === 'done') {
      this.negotiation.push(line);
      this.phase = 'done';
    } else throw unexpectedLine(line);
  }

  private acceptWant(line: string): void {
    if (!line.startsWith('want ')) {
      if (!isStateLine(line)) throw unexpectedLine(line);
      this.state.push(line);
      return;
    }
    const [oid = '', ...capabilities] = line.slice('want '.length).split(' ');
    if (capabilities.length > 0 && this.wants.size > 0) throw unexpectedLine(line);
    if (capabilities.length > 0) this.capabilities = understood(capabilities);
    this.wants.add(oidAfter('want ', `want ${oid}`));
  }

  private rebuild(limited: boolean): Buffer {
    const capabilities = this.capabilities.filter((name) => !limited || !NOT_FOR_LIMITED.has(name));
    const [first = '', ...others] = this.wants;
    return Buffer.concat([
      gitPkt(['want', first, ...capabilities].join(' ')),
      ...others.map((oid) => gitPkt(`want ${oid}`)),
      ...this.state.map(gitPkt),
      FLUSH_PKT,
      ...this.negotiation.map((line) => (line === null ? FLUSH_PKT : gitPkt(line))),
    ]);
  }
}

/** What git may be told; unknown capabilities are left out. @throws invalid_input for another object format */
function understood(capabilities: readonly string[]): string[] {
  for (const name of capabilities) {
    if (name.startsWith('object-format=') && name !== OBJECT_FORMAT) {
      throw new DomainError('invalid_input', 'Only object format sha1 is supported');
    }
  }
  return capabilities.filter((name) => KNOWN_CAPABILITIES.has(name) || name === OBJECT_FORMAT || AGENT.test(name));
}
