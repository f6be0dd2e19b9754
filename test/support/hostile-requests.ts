import { Agent, request } from 'node:http';

/** A request as nobody should send it: raw bytes, and headers that may stand there more than once. */
export interface HostileRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: Buffer | null;
}

export interface RawReply {
  readonly status: number;
  readonly text: string;
}

const agent = new Agent({ keepAlive: false });

export function sendHostile(url: string, { method, path, headers, body }: HostileRequest): Promise<RawReply> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const sent = request(
      { agent, hostname, port, method, path, headers: headers as Record<string, string[]> },
      (reply) => {
        const chunks: Buffer[] = [];
        reply.on('data', (chunk: Buffer) => chunks.push(chunk));
        reply.on('end', () => resolve({ status: reply.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
        reply.on('error', reject);
      },
    );
    sent.on('error', (cause) => reject(new Error(`${method} ${path.slice(0, 200)} was cut off`, { cause })));
    sent.end(body ?? undefined);
  });
}

/** mulberry32: a run can be repeated from its printed seed. */
export function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Path segments, as they stand in the request line. */
export const SEGMENTS = [
  ...['%00', 'a%00b', 'x'.repeat(10_000), '%F0%9F%A6%8A', '%ff', '%E0%A4%A', '%2e%2e%2f', '-1', '0', '1e999', 'null'],
  ...['99999999999999999999999', '__proto__', '%27%22%3b--', '%20', '%ED%A0%80', 'constructor', '2147483648', '%25'],
  ...['00000000-0000-4000-8000-000000000000', '00000000-0000-4000-8000-00000000000%00', 'org_0000000000000000'],
  ...['inv_0000000000000000', 'tm_0000000000000000', '9223372036854775807', '9223372036854775808'],
];

/** Texts of query parameters, as they stand in the request line. */
export const QUERY_TEXTS = [
  ...['%00', '%ff', 'x'.repeat(1_000), '-1', '0', '1e999', 'NaN', '9223372036854775808', '99999999999999999999999'],
  ...['%F0%9F%A6%8A', '%E0%A4%A', '%27', '%25', '', 'null', '2026-13-45', '0000-01-01T00:00:00Z', '%2B275760-09-13'],
  ...[
    '-271821-04-20',
    'eyJhIjoxfQ',
    'W251bGwsMV0',
    'WyIiXQ',
    'WyJcdTAwMDAiLCJcdTAwMDAiXQ',
    '__proto__',
    '%5C',
    '99999-01-01',
  ],
];

/** Values of JSON members; text of JSON, because some have no value in JavaScript. */
export const JSON_TEXTS = [
  ...['null', '7', '-1', '0', '0.5', '1e999', '1e300', '-1e308', 'true', '""', '" "', '"\\u0000"', '"a\\u0000b"'],
  ...['"\\ud800"', '"a\\udc00b"', '[]', '{}', '[null]', '[[]]', '[{}]', '["\\u0000"]', '["\\ud800"]', '{"length":1}'],
  ...['{"toString":1}', '{"__proto__":{"x":1}}', '"__proto__"', '"constructor"', `"${'x'.repeat(20_000)}"`, '"🦊"'],
  ...['9007199254740993', '2147483648', '"2026-13-45"', '"-271821-04-20T00:00:00Z"', '"+275760-09-13T00:00:00Z"'],
  ...['"0000-01-01"', '"2026-W48"', '"9999-366"', '"*"', `[${'"x",'.repeat(2_000)}"x"]`, '"a@b"', '"http://["'],
];

/** Whole bodies that are no object, or hardly JSON. */
export const BODIES: readonly Buffer[] = [
  ...['null', '[]', '[[]]', '"x"', '7', 'true', '1e999', '"\\ud800"', '{', '{"a":', '\0', ' ', '{"__proto__":null}'],
  ...[`${'['.repeat(50_000)}`, `${'['.repeat(50_000)}${']'.repeat(50_000)}`, '{"a":1}{"a":1}', '\ufeff{}', 'undefined'],
  ...[`${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`, '{"constructor":{"prototype":1}}', '[null]', 'NaN', "{'a':1}"],
]
  .map((text) => Buffer.from(text))
  .concat(Buffer.from([0xff, 0xfe, 0x7b, 0x7d]), Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]));

/** Headers that mean something to us, as they should never be. */
export const HEADERS: readonly Readonly<Record<string, string | readonly string[]>>[] = [
  { 'X-Account': ['a', 'b'] },
  { 'X-Account': '' },
  { 'X-Account': '\u00ff' },
  { 'X-Account': '__proto__' },
  { 'X-Account': 'x'.repeat(3_000) },
  { 'Idempotency-Key': ['a', 'b'] },
  { 'Idempotency-Key': '' },
  { 'Idempotency-Key': '\u00ff\u00fe' },
  { 'Idempotency-Key': 'x'.repeat(3_000) },
  { 'X-Session-Id': ['ses_a', 'ses_b'] },
  { 'X-Session-Id': 'ses_\u00ff' },
  { 'Content-Type': 'text/plain' },
  { 'Content-Type': ['application/json', 'text/xml'] },
  { 'Content-Type': 'application/json; charset=\u00ff' },
  { 'Content-Encoding': 'gzip' },
  { 'Content-Encoding': 'br, \u00ff' },
  { 'If-Match': '\u00ff', 'If-None-Match': ['a', 'b'] },
  { Accept: '\u00ff', 'Accept-Language': ['x', 'y'] },
  { 'X-Forwarded-For': 'x'.repeat(1_000), 'X-Forwarded-Proto': ['a', 'b'], Forwarded: '\u00ff' },
  { Authorization: 'Basic \u00ff' },
  { Authorization: 'Bearer ' },
  { 'Stripe-Signature': ['t=1', 'v1=x'] },
  { 'Stripe-Signature': 't=1e999,v1=\u00ff' },
  { Cookie: 'rh_sso=%E0%A4%A; __proto__=1; =' },
];
