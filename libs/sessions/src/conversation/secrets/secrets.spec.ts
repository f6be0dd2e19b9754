import fc from 'fast-check';
import { compileCustomPattern, readCustomPatterns } from './custom-pattern.js';
import type { SecretPattern } from './pattern.js';
import { FOR_STRANGERS, patternSet } from './pattern-set.js';
import { redactJson, redactText } from './redact.js';
import { redactJsonText } from './redact-json-text.js';
import { scanText } from './scan.js';
import { planted, PLANTED, type Planted } from './testing/planted-secrets.js';

const ROUNDS = Number(process.env.ROUNDS ?? 300);
const SEED = Number(process.env.SEED ?? Date.now() % 1e9);
const SECRETS = patternSet({ categories: ['secret'] });
const EVERYTHING = patternSet({ categories: ['secret', 'phi'] });

const names = (text: string, set = EVERYTHING): string[] => scanText(text, set).map(({ patternName }) => patternName);

/** A value with every text replaced: what must not change when secrets do. */
function shape(value: unknown): unknown {
  if (typeof value === 'string') return 'text';
  if (Array.isArray(value)) return value.map(shape);
  if (typeof value !== 'object' || value === null) return value;
  return Object.values(value).map(shape);
}

describe('the scan for secrets', () => {
  it.each(PLANTED.map((kind) => [fc.sample(kind, { numRuns: 1, seed: 7 })[0] as Planted]))(
    'finds $pattern in a line and says which, not what',
    ({ pattern, secret, text }) => {
      const findings = scanText(`first line\nhere: ${text} and more`, SECRETS);
      expect(findings).toContainEqual(expect.objectContaining({ patternName: pattern, line: 2, category: 'secret' }));
      expect(JSON.stringify(findings)).not.toContain(secret);
    },
  );

  it.each([
    ['gcp_service_account', '{"type": "service_account"}'],
    ['slack_webhook', 'https://hooks.slack.com/' + 'services/T00000000/B00000000/abcdefghijklmnopqrstuvwx'],
    ['ssn', 'SSN: 123-45-6789'],
    ['mrn', 'MRN: A1234567'],
    ['dob', 'Date of birth: 1931-04-05'],
    ['npi_dea_license', 'NPI 1234567893'],
    ['health_plan_id', 'member_id: XYZ123456789'],
    ['patient_name', 'Patient name: Maria del Carmen'],
    ['patient_phone', 'patient phone: (555) 010-1234'],
    ['fax_number', 'Fax: 555-010-1234'],
    ['vin', 'VIN: 1HGCM82633A004352'],
    ['device_id', 'pacemaker serial: PM-2291-AX7'],
    ['biometric_id', 'fingerprint hash: ab12cd34ef'],
    ['phi_url', 'https://ehr.example.org/patients/12345/notes'],
    ['medical_email', 'patient email: maria@example.org'],
    ['medical_age_90_plus', 'patient age: 94'],
  ])('finds %s in %j', (pattern, text) => expect(names(text)).toContain(pattern));

  it.each([
    'const task-force-member-of-the-committee = 1',
    'password = "changeme"',
    'password: "YOUR_PASSWORD_HERE"',
    'api_key = <YOUR_API_KEY_GOES_HERE_PLEASE_REPLACE_ME_NOW>',
    'sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx',
    'sk_sfs_0123456789abcdef0123456789abcdef',
    'postgres://user:password_placeholder@localhost/db',
    'password = os.environ["DB_PASSWORD"]',
    'commit key: 0123456789abcdef0123456789abcdef01234567',
    'the patient is 42; page 95; 2026-07-02',
    'message 95 of 100',
  ])('lets %j pass', (text) => expect(names(text)).toEqual([]));

  it("lets an organisation's allowed texts pass, and no others", () => {
    const set = patternSet({ categories: ['secret'], allowlist: ['hunter-test', ''] });
    expect(names('password="hunter-test-1"\npassword="hunter-live-1"', set)).toEqual(['generic_password_assignment']);
    expect(scanText('password="hunter-test-1"\npassword="hunter-live-1"', set)[0]?.line).toBe(2);
  });

  it("hides the client's own keys from strangers", () => {
    expect(redactText('key sk_sfs_0123456789abcdef0123456789abcdef!', FOR_STRANGERS).text).toBe(
      'key [REDACTED:sessionfs_key]!',
    );
  });
});

describe('redaction', () => {
  it('replaces the secret only, leaves the delimiters, and the whole of a private key', () => {
    const key = `-----BEGIN PRIVATE` + ` KEY-----\nMIIabc\n-----END PRIVATE` + ' KEY-----';
    expect(redactText(`a "password": "hunter2hunter2", ${key} z`, SECRETS).text).toBe(
      'a "password": "[REDACTED:generic_password_assignment]", [REDACTED:private_key_pem] z',
    );
  });

  it('reads a member with its name, in any depth', () => {
    const value = { env: [{ DB_PASSWORD: 'correcthorse9', aws_secret_access_key: 'a'.repeat(39) + 'B', note: 'ok' }] };
    expect(redactJson(value, SECRETS, 7)).toMatchObject({
      value: { env: [{ DB_PASSWORD: '[REDACTED:generic_password_assignment]', note: 'ok' }] },
      findings: [{ line: 7 }, { line: 7 }],
    });
  });

  it('keeps members whose names are redacted alike, and one called __proto__', () => {
    const key = (end: string) => 'AKIA' + 'ABCDEFGHIJKLMNO' + end;
    const value = JSON.parse(`{"${key('P')}":1,"${key('Q')}":2,"__proto__":{"x":"${key('R')}"}}`) as unknown;
    expect(JSON.stringify(redactJson(value, SECRETS).value)).toBe(
      '{"[REDACTED:aws_access_key_id]":1,"[REDACTED:aws_access_key_id]~2":2,"__proto__":{"x":"[REDACTED:aws_access_key_id]"}}',
    );
  });

  it('of JSON text leaves every byte outside of secrets as it was', () => {
    const key = 'AKIA' + 'ABCDEFGHIJKLMNOP';
    const text = `{ "id": 12345678901234567890,\n  "\\u0041\\"": 1.0, "DB_PASSWORD" : "correct\\thorse9x", "k": ["\\\\", "x ${key}"] }`;
    expect(redactJsonText(text, SECRETS, 5)).toEqual({
      text: text.replace(key, '[REDACTED:aws_access_key_id]'),
      findings: [expect.objectContaining({ patternName: 'aws_access_key_id', line: 6 })],
    });
    expect(redactJsonText('{"DB_PASSWORD": "correcthorse9"}', SECRETS).text).toBe(
      '{"DB_PASSWORD": "[REDACTED:generic_password_assignment]"}',
    );
    const clean = '{"a" :  1e2}';
    expect(redactJsonText(clean, SECRETS)).toEqual({ text: clean, findings: [] });
    expect(redactJsonText(`{broken\n${key}`, SECRETS, 3)).toMatchObject({
      text: '{broken\n[REDACTED:aws_access_key_id]',
      findings: [{ line: 4 }],
    });
  });

  it('walks a hundred thousand levels', () => {
    const deep = JSON.parse('['.repeat(100_000) + ']'.repeat(100_000)) as unknown;
    expect(redactJson(deep, SECRETS).findings).toEqual([]);
  });

  it('leaves valid JSON of the same shape, without any planted secret, also in JSON inside JSON', () => {
    const leaf = fc.oneof(
      {
        weight: 2,
        arbitrary: fc.tuple(fc.string(), planted).map(([text, { text: secret }]) => `${text} ${secret} ${text}`),
      },
      { weight: 1, arbitrary: planted.map(({ text }) => JSON.stringify({ output: `a\n${text}\nb` })) },
      { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 1 }) },
    );
    const tree = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 3 },
        leaf,
        fc.array(tie('any'), { maxLength: 3 }),
        fc.dictionary(fc.string(), tie('any'), { maxKeys: 3 }),
      ),
    })).any;
    fc.assert(
      fc.property(tree, planted, (value, known) => {
        const document = { value, known: `x ${known.text} y`, nested: JSON.stringify({ [known.text]: [known.text] }) };
        const json = JSON.stringify(redactJson(document, SECRETS).value);
        expect(shape(JSON.parse(json))).toEqual(shape(JSON.parse(JSON.stringify(document))));
        expect(json).not.toContain(known.secret);
        const { nested } = JSON.parse(json) as { nested: string };
        expect(() => JSON.parse(nested) as unknown).not.toThrow();
        expect(redactJson(JSON.parse(json), SECRETS).findings).toEqual([]);
        const text = redactJsonText(JSON.stringify(document), SECRETS).text;
        expect(JSON.parse(text)).toEqual(JSON.parse(json));
      }),
      { numRuns: ROUNDS, seed: SEED },
    );
  });

  it.each([
    'a',
    'eyJ-',
    'sk-',
    '-eyJ',
    'password=',
    'Bearer ',
    'postgres://a:',
    'http://a:b',
    'key',
    '-----BEGIN PRIVATE KEY-----',
    '\\n',
    'patient name: A',
    '1',
    '1-',
    'SG.',
    'http://a/patient/',
    '"secret":"',
  ])('reads half a megabyte of %j to its end', (part) => {
    expect(redactText(part.repeat(500_000 / part.length), EVERYTHING).text.length).toBeGreaterThan(0);
  });
});

describe("an organisation's own patterns", () => {
  const custom = (regex: string): SecretPattern[] =>
    readCustomPatterns([{ name: 'badge', regex, category: 'secret', severity: 'high' }]).map(compileCustomPattern);

  it('are looked for and redacted like ours', () => {
    const set = patternSet({ categories: ['secret'], custom: custom('(?i)badge-\\d{4}') });
    expect(redactJson({ note: 'my Badge-1234!' }, set)).toEqual({
      value: { note: 'my [REDACTED:badge]!' },
      findings: [{ patternName: 'badge', category: 'secret', severity: 'high', line: 1 }],
    });
  });

  it.each([
    ['x', 'custom_patterns'],
    [[7], 'custom_patterns[0]'],
    [[{ name: '', regex: 'a' }], 'custom_patterns[0].name'],
    [[{ name: 'a', regex: '(' }], 'custom_patterns[0].regex'],
    [[{ name: 'a', regex: '(a)\\1' }], 'custom_patterns[0].regex'],
    [[{ name: 'a', regex: 'a', category: 'pii' }], 'custom_patterns[0].category'],
    [[{ name: 'a', regex: 'a', severity: 9 }], 'custom_patterns[0].severity'],
    [
      [
        { name: 'a', regex: 'a' },
        { name: 'a', regex: 'b' },
      ],
      'custom_patterns[1].name',
    ],
    [Array.from({ length: 51 }, (_, i) => ({ name: `p${i}`, regex: 'a' })), 'custom_patterns'],
  ])('are refused naming the field: %j', (value, field) => {
    expect(() => readCustomPatterns(value)).toThrow(expect.objectContaining({ code: 'invalid_input', field }));
  });

  it('end a scan they are too slow for, rather than pass the text as clean', () => {
    const set = patternSet({ categories: ['secret'], custom: custom('(a?){300}b') });
    expect(() => scanText('a'.repeat(100_000), set)).toThrow(
      expect.objectContaining({ code: 'unprocessable', reason: 'dlp_pattern_too_slow' }),
    );
  });
});
