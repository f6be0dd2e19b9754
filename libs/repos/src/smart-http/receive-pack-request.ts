import { Readable } from 'node:stream';
import { DomainError } from '#kernel';
import { isOid, OBJECT_FORMAT } from './git-protocol.js';
import { PktReader } from './pkt-line.js';

/** One ref update as asked for: nothing about it has been validated except that the ids are ids. */
export interface PushCommand {
  readonly oldSha: string;
  readonly newSha: string;
  readonly ref: string;
}

export interface PushRequest {
  /** Empty for a probe of the connection. */
  readonly commands: readonly PushCommand[];
  readonly capabilities: PushCapabilities;
  /** Present when the client's history is shallow; its boundary must be known to the repository. */
  readonly shallow: readonly string[];
  /** What follows the commands. Ends at once when there is no pack. Destroying it leaves the request readable. */
  readonly pack: Readable;
}

export interface PushCapabilities {
  readonly reportStatus: boolean;
  readonly sideBand64k: boolean;
  readonly atomic: boolean;
  readonly quiet: boolean;
  readonly agent: string | null;
}

export const MOST_PUSH_COMMANDS = 10_000;
const LONGEST_LINE = 4096;
const MOST_SHALLOW = 100_000;

/**
 * Reads a push up to the end of its commands; the pack stays in the stream.
 * @throws invalid_input for anything outside the grammar, signed pushes and other object formats included
 */
export async function readPushRequest(body: Readable): Promise<PushRequest> {
  const chunks = body.iterator({ destroyOnReturn: false }) as NodeJS.AsyncIterator<Buffer, undefined>;
  const reader = new PktReader();
  const parser = new PushCommandParser();
  while (!parser.isDone) {
    const pkt = reader.next();
    if (pkt) {
      parser.accept(pkt.type === 'data' ? pkt.data : null, pkt.type);
      continue;
    }
    const chunk = await chunks.next();
    if (chunk.done) throw new DomainError('invalid_input', 'The push ends within its commands');
    reader.push(chunk.value);
  }
  return { ...parser.result(), pack: Readable.from(restOf(reader.rest(), chunks), { objectMode: false }) };
}

async function* restOf(first: Buffer, chunks: AsyncIterator<Buffer, undefined>): AsyncGenerator<Buffer> {
  if (first.length > 0) yield first;
  for (let chunk = await chunks.next(); !chunk.done; chunk = await chunks.next()) yield chunk.value;
}

class PushCommandParser {
  isDone = false;
  private readonly commands: PushCommand[] = [];
  private readonly shallow: string[] = [];
  private capabilities: ReadonlySet<string> = new Set();

  accept(data: Buffer | null, type: string): void {
    if (data === null) {
      if (type !== 'flush') throw new DomainError('invalid_input', 'Unexpected packet in a push');
      this.isDone = true;
      return;
    }
    if (data.length > LONGEST_LINE) throw new DomainError('invalid_input', 'A line of the push is too long');
    const text = data.toString('utf8');
    if (text.startsWith('shallow ')) this.acceptShallow(withoutNewline(text).slice('shallow '.length));
    else this.acceptCommand(text);
  }

  result(): Omit<PushRequest, 'pack'> {
    const agent = [...this.capabilities].find((name) => name.startsWith('agent='));
    return {
      commands: this.commands,
      shallow: this.shallow,
      capabilities: {
        reportStatus: this.capabilities.has('report-status'),
        sideBand64k: this.capabilities.has('side-band-64k'),
        atomic: this.capabilities.has('atomic'),
        quiet: this.capabilities.has('quiet'),
        agent: agent === undefined ? null : agent.slice('agent='.length),
      },
    };
  }

  private acceptShallow(oid: string): void {
    if (!isOid(oid) || this.shallow.length >= MOST_SHALLOW) throw new DomainError('invalid_input', 'Bad shallow line');
    this.shallow.push(oid);
  }

  private acceptCommand(text: string): void {
    if (this.commands.length >= MOST_PUSH_COMMANDS) {
      throw new DomainError('invalid_input', `A push updates at most ${MOST_PUSH_COMMANDS} refs`);
    }
    const nul = text.indexOf('\0');
    if (nul >= 0 && this.commands.length === 0) this.capabilities = readCapabilities(text.slice(nul + 1));
    const line = withoutNewline(nul >= 0 ? text.slice(0, nul) : text);
    if (line.startsWith('push-cert')) throw new DomainError('invalid_input', 'Signed pushes are not supported');
    const [, oldSha, newSha, ref] = /^([0-9a-f]{40}) ([0-9a-f]{40}) (.+)$/.exec(line) ?? [];
    if (oldSha === undefined || newSha === undefined || ref === undefined) {
      throw new DomainError('invalid_input', 'Malformed push command');
    }
    this.commands.push({ oldSha, newSha, ref });
  }
}

function readCapabilities(text: string): ReadonlySet<string> {
  const capabilities = new Set(text.trim().split(' '));
  for (const name of capabilities) {
    if (name.startsWith('object-format=') && name !== OBJECT_FORMAT) {
      throw new DomainError('invalid_input', 'Only object format sha1 is supported');
    }
    if (name === 'push-options') throw new DomainError('invalid_input', 'Push options are not supported');
  }
  return capabilities;
}

function withoutNewline(text: string): string {
  return text.endsWith('\n') ? text.slice(0, -1) : text;
}
