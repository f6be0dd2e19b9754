import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { BlobSpool, type SpooledBlob } from '#kernel';
import { FOR_STRANGERS } from '../conversation/secrets/pattern-set.js';
import { redactJsonText } from '../conversation/secrets/redact-json-text.js';
import { redactText } from '../conversation/secrets/redact.js';
import { CEILINGS } from './archive-limits.js';
import { ArchiveWriter, headerOf } from './archive-writer.js';
import { MAX_LINE_BYTES } from './conversation-intake.js';
import { inflate } from './inflate.js';
import { Lines } from './lines.js';
import { type Member, members } from './members.js';
import { bufferPassed } from './passing-buffers.js';

export interface RedactionTask {
  readonly spoolFolder: string;
}

/** What was accepted once is read again, whatever plan its owner has by now. */
const LIMITS = { archiveBytes: Infinity, memberBytes: CEILINGS.memberBytes, canUpgrade: false };
/** A text is searched as a whole up to here: a private key has many lines. */
const MAX_TEXT_BYTES = 8 * 1_048_576;
const WRITE_BYTES = 64 * 1024;
const NEWLINE = Buffer.from('\n');

/**
 * Writes a stored archive anew without the secrets in it: line by line where lines are JSON, else member by member. What
 * cannot be searched (binaries, very long texts and lines) is left out, since it could hide anything. Null when there
 * was nothing to take away: the archive may be given out as it is. Equal archives become equal bytes. Blocks its thread
 * while it searches: meant for a worker.
 */
export async function redactArchive(
  source: AsyncIterable<Uint8Array>,
  { spoolFolder }: RedactionTask,
): Promise<SpooledBlob | null> {
  const writer = await ArchiveWriter.create(spoolFolder);
  const pass = new RedactionPass(writer, spoolFolder);
  try {
    for await (const member of members(inflate(source), LIMITS)) await pass.take(member);
    if (pass.hasChanged) return await writer.finish();
    await writer.discard();
    return null;
  } catch (error) {
    await writer.discard();
    throw error;
  }
}

class RedactionPass {
  hasChanged = false;

  constructor(
    private readonly writer: ArchiveWriter,
    private readonly spoolFolder: string,
  ) {}

  /** Reads the member to its end in any case: the next one comes after it. */
  async take(member: Member): Promise<void> {
    if (redactText(member.path, FOR_STRANGERS).findings.length > 0) return this.leaveOut(member);
    if (member.path.endsWith('.jsonl')) return this.takeLines(member);
    if (member.bytes > MAX_TEXT_BYTES) return this.leaveOut(member);
    const bytes = await gathered(member);
    if (!isUtf8(bytes)) return this.leaveOut(member);
    const text = bytes.toString('utf8');
    const redact = member.path.endsWith('.json') ? redactJsonText : redactText;
    const { text: redacted, findings } = redact(text, FOR_STRANGERS);
    if (findings.length > 0) this.hasChanged = true;
    await this.write(member, findings.length > 0 ? Buffer.from(redacted) : bytes);
  }

  private async takeLines(member: Member): Promise<void> {
    const part = await BlobSpool.create(this.spoolFolder);
    const output = new ChunkedOutput(part);
    const lines = new Lines(MAX_LINE_BYTES, (line) => output.add(this.redactedLine(line)));
    try {
      for await (const chunk of member.content) await lines.push(chunk);
      await lines.end();
      await output.flush();
      const { path, bytes } = await part.finish();
      try {
        await this.writer.add(headerOf(member, bytes), createReadStream(path));
      } finally {
        await rm(path, { force: true });
      }
    } catch (error) {
      await part.discard();
      throw error;
    }
  }

  /** Null for a line that is left out. */
  private redactedLine(line: Buffer | null): Buffer | null {
    if (line === null || !isUtf8(line)) {
      this.hasChanged = true;
      return null;
    }
    const { text, findings } = redactJsonText(line.toString('utf8'), FOR_STRANGERS);
    if (findings.length === 0) return line;
    this.hasChanged = true;
    return Buffer.from(text);
  }

  private write(member: Member, content: Buffer): Promise<void> {
    return this.writer.add(headerOf(member, content.length), [content]);
  }

  private async leaveOut({ content }: Member): Promise<void> {
    this.hasChanged = true;
    for await (const chunk of content) bufferPassed(chunk.byteLength);
  }
}

/** Lines joined to chunks that are worth a write. */
class ChunkedOutput {
  private chunks: Buffer[] = [];
  private held = 0;

  constructor(private readonly spool: BlobSpool) {}

  add(line: Buffer | null): void | Promise<void> {
    if (line === null) return undefined;
    this.chunks.push(line, NEWLINE);
    this.held += line.length + 1;
    return this.held >= WRITE_BYTES ? this.flush() : undefined;
  }

  async flush(): Promise<void> {
    const bytes = Buffer.concat(this.chunks);
    this.chunks = [];
    this.held = 0;
    await this.spool.write(bytes);
  }
}

async function gathered({ content }: Member): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of content) chunks.push(chunk);
  return Buffer.concat(chunks);
}
