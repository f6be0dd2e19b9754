import fc from 'fast-check';
import { compileCustomPattern } from '../custom-pattern.js';
import type { Finding } from '../pattern.js';
import { patternSet } from '../pattern-set.js';
import { scanText } from '../scan.js';
import { planted } from '../testing/planted-secrets.js';
import { JsonDocumentStream, JsonLinesStream } from './json-streams.js';
import { type Screen, TextStream, type TextStreamOptions } from './text-stream.js';

const SECRETS = patternSet({ categories: ['secret'] });
const KEY = 'sk-' + 'ant-api03-' + 'a1B2'.repeat(10);
const HIDDEN = '[REDACTED:anthropic_api_key]';
const PEM = [
  '-----BEGIN RSA PRIVATE ' + 'KEY-----',
  ...Array.from({ length: 60 }, (_, n) => `${n}Ab+/`.repeat(8)),
  '-----END RSA PRIVATE ' + 'KEY-----',
].join('\n');

type Kind = new (options: TextStreamOptions) => Screen;

/** What a stream makes of bytes that come in chunks of a size, with the findings it noted. */
function screened(kind: Kind, bytes: Buffer, size = 65_536, more: Partial<TextStreamOptions> = {}) {
  const findings: Finding[] = [];
  const stream = new kind({ set: SECRETS, note: (finding) => findings.push(finding), ...more });
  const out: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) out.push(stream.push(bytes.subarray(at, at + size)));
  out.push(stream.end());
  return { bytes: Buffer.concat(out), text: Buffer.concat(out).toString(), findings };
}

const sizes = fc.integer({ min: 1, max: 900 });

describe('text that comes in pieces', () => {
  it('without a secret stays the bytes it was, whatever they are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3_000 }), sizes, (bytes, size) => {
        for (const kind of [TextStream, JsonLinesStream, JsonDocumentStream]) {
          const { bytes: out, findings } = screened(kind, Buffer.from(bytes), size);
          if (findings.length === 0) expect(out.equals(Buffer.from(bytes))).toBe(true);
        }
      }),
    );
  });

  it('of megabytes keeps every byte but those of the secrets, wherever windows end', () => {
    const line = 'é🦊 words and more words, '.repeat(40);
    const parts = Array.from({ length: 3_000 }, (_, n) => `${n} ${line}${n % 500 === 7 ? KEY : 'none'}\n`);
    const text = parts.join('');
    const { text: out, findings } = screened(TextStream, Buffer.from(text), 60_001);
    expect(out).toBe(text.replaceAll(KEY, HIDDEN));
    expect(findings.map((finding) => finding.line)).toEqual([8, 508, 1_008, 1_508, 2_008, 2_508]);
  });

  it('hides a key of many lines as a whole, wherever a window ends in it', () => {
    for (let shift = 0; shift < 30; shift += 1) {
      const before = `${'x'.repeat(79)}\n`.repeat(6_180 + shift * 3);
      const text = `${before}${PEM}\nafter\n${'y\n'.repeat(200_000)}`;
      const { text: out } = screened(TextStream, Buffer.from(text));
      expect(out).toBe(text.replace(PEM, '[REDACTED:private_key_pem]'));
    }
  });

  it('hides secrets in a line without an end', () => {
    for (let shift = 0; shift < 40; shift += 1) {
      const text = `${'a1,'.repeat(163_000 + shift * 5)} ${KEY} ${'b2;'.repeat(200_000)}`;
      expect(screened(TextStream, Buffer.from(text)).text).toBe(text.replace(KEY, HIDDEN));
    }
  });

  it('cuts no character in two where there is nothing else to cut at', () => {
    for (const shift of ['', 'é']) {
      const rest = `${shift}${'🦊'.repeat(200_000)}`;
      const { text: out } = screened(TextStream, Buffer.from(`${KEY}${rest}`), 65_537);
      expect(out === `${HIDDEN}${rest}`).toBe(true);
    }
  });

  it('that is no UTF-8 is searched and keeps its other bytes', () => {
    const bytes = Buffer.concat([Buffer.from([0xe9, 0xff, 0x20]), Buffer.from(KEY), Buffer.from([0x20, 0xe9])]);
    const { bytes: out } = screened(TextStream, bytes);
    expect(out).toEqual(
      Buffer.concat([Buffer.from([0xe9, 0xff, 0x20]), Buffer.from(HIDDEN), Buffer.from([0x20, 0xe9])]),
    );
  });
});

describe('lines of JSON', () => {
  it('stay JSON line by line and lose every planted secret', () => {
    fc.assert(
      fc.property(fc.array(planted, { maxLength: 4 }), fc.string(), sizes, (secrets, other, size) => {
        const lines = secrets.map(({ text }) => JSON.stringify({ role: 'user', content: `${other}\n${text}` }));
        const { text, findings } = screened(JsonLinesStream, Buffer.from(`${lines.join('\r\n')}\n`), size);
        const kept = text
          .trimEnd()
          .split('\r\n')
          .filter((line) => line !== '');
        expect(kept.map((line) => typeof JSON.parse(line))).toEqual(lines.map(() => 'object'));
        for (const { secret } of secrets) expect(text).not.toContain(JSON.stringify(secret).slice(1, -1));
        if (secrets.length > 0) expect(findings.length).toBeGreaterThan(0);
      }),
      { numRuns: 60 },
    );
  });

  it('that are none are searched as the text they are, together', () => {
    const text = `{"a":"${KEY}"}\n${PEM}\n\n{"b":1}\n{broken ${KEY}\n`;
    const { text: out, findings } = screened(JsonLinesStream, Buffer.from(text), 100);
    expect(out).toBe(`{"a":"${HIDDEN}"}\n[REDACTED:private_key_pem]\n\n{"b":1}\n{broken ${HIDDEN}\n`);
    expect(findings.map(({ line }) => line)).toEqual([1, 2, 66]);
  });
});

const ANYTHING = patternSet({
  categories: ['secret'],
  custom: [compileCustomPattern({ name: 'odd', regex: 'u00.{1,3}', category: 'secret', severity: 'low' })],
});

describe('JSON too large to be parsed', () => {
  const strings = fc.array(fc.string({ unit: 'binary', maxLength: 80 }), { minLength: 1, maxLength: 20 });

  it('stays JSON of the same shape whatever is found in it', () => {
    fc.assert(
      fc.property(strings, sizes, (texts, size) => {
        const json = JSON.stringify({
          texts,
          'a "quoted" name': 'u00"\\ \n end u00',
          escaped: '\u0001\u0002u00\u0003',
        });
        const { text } = screened(TextStream, Buffer.from(json), size, { set: ANYTHING, isJson: true });
        const value = JSON.parse(text) as { texts: string[] };
        expect(Object.keys(value)).toHaveLength(3);
        expect(value.texts).toHaveLength(texts.length);
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ['a document', JsonDocumentStream, 5],
    ['a line', JsonLinesStream, 9],
  ] as const)('is %s without its secrets', (_, kind, megabytes) => {
    const filler = Array.from({ length: megabytes * 10 }, (_, n) => `${n} "quoted" \\ \n`.repeat(7_000));
    const json = JSON.stringify({ filler, api_key: KEY, pem: PEM, password: 'hunter2!hunter2!' });
    const { text, findings } = screened(kind, Buffer.from(`${json}\n`));
    expect(JSON.parse(text)).toEqual({
      filler,
      api_key: HIDDEN,
      pem: '[REDACTED:private_key_pem]',
      password: '[REDACTED:generic_password_assignment]',
    });
    expect(new Set(findings.map(({ line }) => line))).toEqual(new Set([1]));
    expect(scanText(text, SECRETS)).toEqual([]);
  });
});
