import fc from 'fast-check';

const of = (alphabet: string, length: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...alphabet), minLength: length, maxLength: length });

const UPPER = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';
const DIGITS = '0123456789';
const ALPHANUMERIC = UPPER + UPPER.toLowerCase() + DIGITS;
const HEX = DIGITS + 'abcdef';

/** A made-up secret of each built-in kind: the text around it, and the part that may not survive. */
export interface Planted {
  readonly pattern: string;
  readonly secret: string;
  readonly text: string;
}

const bare = (pattern: string, secret: fc.Arbitrary<string>): fc.Arbitrary<Planted> =>
  secret.map((text) => ({ pattern, secret: text, text }));

const around = (pattern: string, before: string, secret: fc.Arbitrary<string>, after = ''): fc.Arbitrary<Planted> =>
  secret.map((text) => ({ pattern, secret: text, text: before + text + after }));

const prefixed = (prefix: string, rest: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  rest.map((text) => prefix + text);

/** Lines of base64 between the marks; written in two parts so that no scanner takes this file for a leak. */
const pem = of(ALPHANUMERIC, 64).map((line) => {
  const mark = (which: string) => `-----${which} RSA PRIVATE` + ' KEY-----';
  return { pattern: 'private_key_pem', secret: line, text: `${mark('BEGIN')}\n${line}\n${line}\n${mark('END')}` };
});

export const PLANTED: readonly fc.Arbitrary<Planted>[] = [
  bare('aws_access_key_id', prefixed('AKIA', of(UPPER + DIGITS, 16))),
  around('aws_secret_access_key', 'aws_secret_access_key = ', of(ALPHANUMERIC + '/+', 40)),
  around('azure_storage_key', 'AccountKey=', of(ALPHANUMERIC, 86), '=='),
  bare('openai_api_key', prefixed('sk-' + 'proj-', of(ALPHANUMERIC, 40))),
  bare('anthropic_api_key', prefixed('sk-' + 'ant-api03-', of(ALPHANUMERIC, 40))),
  bare('github_token', prefixed('ghp' + '_', of(ALPHANUMERIC, 36))),
  bare('github_fine_grained', prefixed('github' + '_pat_', of(ALPHANUMERIC, 40))),
  bare('stripe_secret_key', prefixed('sk' + '_live_', of(ALPHANUMERIC, 24))),
  bare('slack_token', prefixed('xo' + 'xb-', of(DIGITS, 24))),
  bare('sendgrid_api_key', prefixed('SG.' + 'abcdefghijklmnopqrstuv.', of(ALPHANUMERIC, 43))),
  bare('twilio_api_key', prefixed('SK', of(HEX, 32))),
  around('database_url', 'postgresql://app:', of(ALPHANUMERIC, 20), '@db.internal:5432/app'),
  around('generic_password_assignment', 'password: "', of(ALPHANUMERIC, 20), '"'),
  around('bearer_token', 'Authorization: Bearer ', prefixed('a1', of(ALPHANUMERIC, 40))),
  around(
    'base64_high_entropy',
    'signing_key = ',
    of(ALPHANUMERIC, 44).map((text) => `aB3xYz7QwErTy5${text}`),
  ),
  bare(
    'jwt_token',
    of(ALPHANUMERIC, 30).map((text) => `eyJhbGciOiJIUzI1NiJ9.eyJ${text}.${text}`),
  ),
  bare('google_api_key', prefixed('AI' + 'za', of(ALPHANUMERIC, 35))),
  bare('roundhouse_key', prefixed('rhu_', of(ALPHANUMERIC, 38))),
  pem,
];

export const planted: fc.Arbitrary<Planted> = fc.oneof(...PLANTED);
