import type { Range } from './linear/linear-pattern.js';
import type { SecretPattern } from './pattern.js';

const HEADER = /-----BEGIN (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)?-----/g;
const FOOTER = '-----END ';
const FOOTER_LENGTH = 60;
const LONGEST_KEY = 20_000;
/** Base64, white space, `\n` as text and the headers of encrypted keys. */
const BODY = /[A-Za-z0-9+/=\s\\:,-]*/y;

/** The whole key from header to footer: the header alone is no secret, and a redaction of it protects nothing. */
export const PRIVATE_KEY: SecretPattern = {
  name: 'private_key_pem',
  category: 'secret',
  severity: 'critical',
  unit: 'text',
  mayMatch: (lowerCase) => lowerCase.includes('private key'),
  *find(text) {
    for (const match of text.matchAll(HEADER)) yield { start: match.index, end: endOfKey(text, match) };
  },
};

function endOfKey(text: string, header: RegExpMatchArray & { index: number }): Range['end'] {
  const bodyStart = header.index + header[0].length;
  const part = text.slice(bodyStart, bodyStart + LONGEST_KEY);
  const footer = part.indexOf(FOOTER);
  if (footer < 0) {
    BODY.lastIndex = 0;
    return bodyStart + (BODY.exec(part)?.[0].length ?? 0);
  }
  const dashes = part.indexOf('-----', footer + FOOTER.length);
  const end = dashes < 0 || dashes - footer > FOOTER_LENGTH ? footer + FOOTER.length : dashes + 5;
  return bodyStart + end;
}
