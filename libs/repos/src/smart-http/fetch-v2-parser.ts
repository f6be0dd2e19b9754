import { DomainError } from '#kernel';
import { deepenNot, gitPkt, isDeepenNot, isStateLine, lineText, oidAfter, unexpectedLine } from './fetch-grammar.js';
import { OBJECT_FORMAT } from './git-protocol.js';
import { parseLsRefs } from './ls-refs.js';
import { DELIM_PKT, FLUSH_PKT, type Pkt } from './pkt-line.js';
import type { UploadPackParser, UploadPackRequest } from './fetch-request.js';

const COMMAND = 'command=';
const AGENT = /^agent=[\x21-\x7e]{1,256}$/;
const PLAIN_ARGUMENTS = new Set([
  'done',
  'thin-pack',
  'no-progress',
  'include-tag',
  'ofs-delta',
  'deepen-relative',
  'wait-for-done',
]);
/** A caller who sees some refs only must get no tag and no delta base that other refs lead to. */
const NOT_FOR_LIMITED = new Set(['include-tag', 'thin-pack']);

/** Version 2: a command and capabilities, a delimiter, arguments, a flush. */
export class FetchV2Parser implements UploadPackParser {
  private phase: 'capabilities' | 'arguments' | 'end' = 'capabilities';
  private command: string | null = null;
  private agent: string | null = null;
  private readonly args: string[] = [];

  accept(pkt: Pkt): void {
    if (this.phase === 'end') throw unexpectedLine('more than one command');
    if (pkt.type === 'flush') this.phase = 'end';
    else if (pkt.type === 'delim' && this.phase === 'capabilities') this.phase = 'arguments';
    else if (pkt.type !== 'data') throw unexpectedLine(pkt.type);
    else if (this.phase === 'capabilities') this.acceptCapability(lineText(pkt.data));
    else this.args.push(lineText(pkt.data));
  }

  finish(): UploadPackRequest {
    if (this.command === null) {
      if (this.args.length > 0 || this.phase === 'arguments') throw unexpectedLine('arguments without a command');
      return { kind: 'empty' };
    }
    if (this.phase !== 'end') throw new DomainError('invalid_input', 'The request does not end with a flush');
    if (this.command === 'ls-refs') return { kind: 'ls-refs', request: parseLsRefs(this.args.map(asUtf8)) };
    if (this.command === 'fetch') return this.fetch();
    throw new DomainError('invalid_input', 'Unknown command');
  }

  private acceptCapability(line: string): void {
    if (line.startsWith(COMMAND)) {
      if (this.command !== null) throw unexpectedLine(line);
      this.command = line.slice(COMMAND.length);
    } else if (line.startsWith('object-format=') && line !== OBJECT_FORMAT) {
      throw new DomainError('invalid_input', 'Only object format sha1 is supported');
    } else if (AGENT.test(line)) this.agent = line;
  }

  private fetch(): UploadPackRequest {
    const wants = new Set<string>();
    const others: string[] = [];
    for (const line of this.args) {
      if (line.startsWith('want ')) wants.add(oidAfter('want ', line));
      else others.push(checkedArgument(line));
    }
    if (wants.size === 0) return { kind: 'empty' };
    return {
      kind: 'fetch',
      request: {
        version: 2,
        wants: [...wants],
        deepenNot: others.filter(isDeepenNot).map(deepenNot),
        toGit: ({ limited }) =>
          this.rebuild(wants, limited ? others.filter((arg) => !NOT_FOR_LIMITED.has(arg)) : others),
      },
    };
  }

  private rebuild(wants: ReadonlySet<string>, others: readonly string[]): Buffer {
    return Buffer.concat([
      gitPkt('command=fetch'),
      ...(this.agent === null ? [] : [gitPkt(this.agent)]),
      gitPkt(OBJECT_FORMAT),
      DELIM_PKT,
      ...[...wants].map((oid) => gitPkt(`want ${oid}`)),
      ...others.map(gitPkt),
      FLUSH_PKT,
    ]);
  }
}

function checkedArgument(line: string): string {
  if (line.startsWith('have ')) return `have ${oidAfter('have ', line)}`;
  if (PLAIN_ARGUMENTS.has(line) || isStateLine(line)) return line;
  throw unexpectedLine(line);
}

function asUtf8(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString('utf8');
}
