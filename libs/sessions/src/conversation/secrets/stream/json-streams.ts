import { parseJson } from '../../json.js';
import { redactLiterals } from '../redact-json-text.js';
import { decoded, type Screen, TextStream, type TextStreamOptions } from './text-stream.js';

const NEWLINE = 0x0a;
/** Longer lines are in no message log either (conversation-intake.ts). */
const MAX_LINE_BYTES = 8 * 1_048_576;
/** Larger documents mean nothing to the server, and parsing them would take many times their size. */
const MAX_DOCUMENT_BYTES = 4 * 1_048_576;

/** A JSON document, `.json`. What is no JSON is searched as the plain text it is. */
export class JsonDocumentStream implements Screen {
  private pieces: Buffer[] = [];
  private held = 0;
  private long: TextStream | null = null;

  constructor(private readonly options: TextStreamOptions) {}

  push(chunk: Buffer): Buffer {
    if (this.long) return this.long.push(chunk);
    this.pieces.push(chunk);
    this.held += chunk.length;
    if (this.held <= MAX_DOCUMENT_BYTES) return Buffer.alloc(0);
    this.long = new TextStream({ ...this.options, isJson: true });
    return Buffer.concat(this.pieces.splice(0).map((piece) => this.long!.push(piece)));
  }

  end(): Buffer {
    if (this.long) return this.long.end();
    const bytes = Buffer.concat(this.pieces);
    return screenJson(bytes, this.options) ?? screenText(bytes, this.options);
  }
}

/** Lines of JSON, `.jsonl`. Lines that are none are searched together, as a private key may lie across them. */
export class JsonLinesStream implements Screen {
  private pieces: Buffer[] = [];
  private held = 0;
  private line = 1;
  /** Lines that are no JSON, up to the next that is. */
  private plain: TextStream | null = null;
  /** The current line, once it is too long to be parsed. */
  private long: TextStream | null = null;

  constructor(private readonly options: TextStreamOptions) {}

  push(chunk: Buffer): Buffer {
    const out: Buffer[] = [];
    for (let from = 0; from < chunk.length;) {
      const at = chunk.indexOf(NEWLINE, from);
      const to = at === -1 ? chunk.length : at + 1;
      this.hold(chunk.subarray(from, to), out);
      if (at !== -1) this.endLine(out);
      from = to;
    }
    return Buffer.concat(out);
  }

  end(): Buffer {
    const out: Buffer[] = [];
    this.endLine(out);
    this.endPlain(out);
    return Buffer.concat(out);
  }

  private hold(piece: Buffer, out: Buffer[]): void {
    if (this.long) return void out.push(this.long.push(piece));
    this.pieces.push(piece);
    this.held += piece.length;
    if (this.held <= MAX_LINE_BYTES) return;
    this.endPlain(out);
    this.long = new TextStream({ ...this.options, line: this.line, isJson: true });
    for (const begun of this.pieces.splice(0)) out.push(this.long.push(begun));
  }

  private endLine(out: Buffer[]): void {
    const line = Buffer.concat(this.pieces.splice(0));
    this.held = 0;
    if (this.long) out.push(this.long.end());
    else if (line.length > 0) this.take(line, out);
    this.long = null;
    this.line += 1;
  }

  private take(line: Buffer, out: Buffer[]): void {
    const json = screenJson(line, { ...this.options, line: this.line });
    if (json === null) {
      this.plain ??= new TextStream({ ...this.options, line: this.line });
      out.push(this.plain.push(line));
      return;
    }
    this.endPlain(out);
    out.push(json);
  }

  private endPlain(out: Buffer[]): void {
    if (this.plain) out.push(this.plain.end());
    this.plain = null;
  }
}

const BYTE_ORDER_MARK = '\ufeff';

/** Null for what is no JSON. Bytes without a finding come back as they are. */
function screenJson(bytes: Buffer, { set, note, line = 1 }: TextStreamOptions): Buffer | null {
  const { text, encoding } = decoded(bytes);
  const mark = text.startsWith(BYTE_ORDER_MARK) ? BYTE_ORDER_MARK : '';
  const json = text.slice(mark.length);
  if (parseJson(json) === undefined) return null;
  const redacted = redactLiterals(json, set, line);
  redacted.findings.forEach(note);
  return redacted.findings.length === 0 ? bytes : Buffer.from(mark + redacted.text, encoding);
}

function screenText(bytes: Buffer, options: TextStreamOptions): Buffer {
  const stream = new TextStream(options);
  return Buffer.concat([stream.push(bytes), stream.end()]);
}
