import { builtIn, type BuiltIn, type SecretPattern } from './pattern.js';

/**
 * Where a token begins: not inside a longer word, but right after an escaped line end or tab, as tool output that is
 * JSON inside JSON has them.
 */
const BEGIN = String.raw`(?<=^|[^A-Za-z0-9_-]|\\[nrt])`;
/** Between a name and its value: quotes (also escaped ones), an equals sign or colon, white space. */
const IS = String.raw`(?:\\{0,3}["'])?\s{0,4}(?:=>|:=|[:=])\s{0,4}(?:\\{0,3}["'])?`;
const IS_QUOTED = String.raw`(?:\\{0,3}["'])?\s{0,4}(?:=>|:=|[:=])\s{0,4}\\{0,3}["']`;

const token = (body: string): RegExp => new RegExp(`${BEGIN}(${body})`, 'g');
const named = (name: string, value: string, between = IS): RegExp =>
  new RegExp(`(?:${name})${between}(${value})`, 'gi');

/** Bits per character of a text: keys are above 4, words and hexadecimal digests below. */
function entropy(text: string): number {
  const counts = new Map<string, number>();
  for (const char of text) counts.set(char, (counts.get(char) ?? 0) + 1);
  return [...counts.values()].reduce((bits, count) => bits - (count / text.length) * Math.log2(count / text.length), 0);
}

/** Random keys have both cases and digits; paths, hexadecimal digests and words of one case do not. */
const looksRandom = (secret: string): boolean =>
  entropy(secret.slice(0, 200)) > 4 && /[a-z]/.test(secret) && /[A-Z]/.test(secret) && /\d/.test(secret);

/** The names and severities of sessionfs-1.md §16, then what it lacks. */
const PATTERNS: readonly BuiltIn[] = [
  {
    name: 'aws_access_key_id',
    severity: 'critical',
    hints: ['akia', 'asia'],
    regex: token('(?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Za-z])'),
  },
  {
    name: 'aws_secret_access_key',
    severity: 'critical',
    hints: ['secret'],
    regex: named('aws_?-?secret_?-?(?:access_?-?)?key|secret_?access_?key', '[A-Za-z0-9/+=]{40}(?![A-Za-z0-9/+=])'),
  },
  {
    name: 'gcp_service_account',
    severity: 'critical',
    hints: ['service_account'],
    regex: named(String.raw`\btype`, 'service_account'),
  },
  {
    name: 'azure_storage_key',
    severity: 'medium',
    hints: ['accountkey', 'account_key', 'storage'],
    regex: named('AccountKey|account_key|storage_?(?:account_?)?key', '[A-Za-z0-9+/]{86,88}={0,2}'),
  },
  { name: 'openai_api_key', severity: 'high', hints: ['sk-'], regex: token('sk-(?!ant-)[A-Za-z0-9_-]{20,}') },
  { name: 'anthropic_api_key', severity: 'high', hints: ['sk-ant-'], regex: token('sk-ant-[A-Za-z0-9_-]{20,}') },
  {
    name: 'github_token',
    severity: 'high',
    hints: ['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'],
    regex: token('gh[pousr]_[A-Za-z0-9]{36,}'),
  },
  {
    name: 'github_fine_grained',
    severity: 'medium',
    hints: ['github_pat_'],
    regex: token('github_pat_[A-Za-z0-9_]{22,}'),
  },
  {
    name: 'stripe_secret_key',
    severity: 'high',
    hints: ['_live_', '_test_'],
    regex: token('[sr]k_(?:live|test)_[A-Za-z0-9]{16,}'),
  },
  { name: 'slack_token', severity: 'medium', hints: ['xox'], regex: token('xox[abeoprs]-[A-Za-z0-9-]{10,}') },
  {
    name: 'slack_webhook',
    severity: 'medium',
    hints: ['hooks.slack.com'],
    regex: token(String.raw`https:\/\/hooks\.slack\.com\/(?:services|workflows|triggers)\/[A-Za-z0-9/_-]{20,}`),
  },
  {
    name: 'sendgrid_api_key',
    severity: 'medium',
    hints: ['sg.'],
    regex: token(String.raw`SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}`),
  },
  { name: 'twilio_api_key', severity: 'medium', hints: ['sk'], regex: token('SK[0-9a-f]{32}(?![0-9A-Za-z])') },
  {
    name: 'database_url',
    severity: 'high',
    hints: ['://'],
    regex: new RegExp(
      String.raw`(?:postgres(?:ql)?|mysql|mariadb|mongodb(?:\+srv)?|rediss?|amqps?|mssql|sqlserver|clickhouse|cockroachdb)(?:\+[a-z0-9]{1,20})?:\/\/([^\s:@/"'<>\\]{0,200}:[^\s@"'<>\\]{1,300}@[^\s"'<>\\]{1,500})`,
      'gi',
    ),
  },
  {
    name: 'generic_password_assignment',
    severity: 'medium',
    hints: ['pass', 'pwd', 'secret'],
    regex: named(
      'password|passwd|passphrase|pwd|(?:client|app|api|shared)_?-?secret|secret',
      String.raw`[^"'\\\s]{8,500}`,
      IS_QUOTED,
    ),
  },
  {
    name: 'bearer_token',
    severity: 'medium',
    hints: ['bearer'],
    regex: new RegExp(
      String.raw`(?:authorization${IS}\s{0,4})?${BEGIN}bearer\s{1,4}([A-Za-z0-9._~+/-]{16,}={0,2})`,
      'gi',
    ),
    accepts: (secret) => /\d/.test(secret),
  },
  {
    name: 'base64_high_entropy',
    severity: 'medium',
    hints: ['key', 'secret', 'token', 'credential', 'auth'],
    regex: named('(?:key|secret|token|credentials?|auth)[A-Za-z_]{0,20}', '[A-Za-z0-9+/_-]{40,}={0,2}'),
    accepts: looksRandom,
  },
  {
    name: 'jwt_token',
    severity: 'medium',
    hints: ['eyj'],
    regex: token(String.raw`eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}`),
  },
  { name: 'google_api_key', severity: 'high', hints: ['aiza'], regex: token('AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])') },
  {
    name: 'gitlab_token',
    severity: 'high',
    hints: ['glpat-', 'gldt-', 'glrt-'],
    regex: token('gl(?:pat|dt|rt)-[A-Za-z0-9_-]{20,}'),
  },
  { name: 'npm_token', severity: 'high', hints: ['npm_'], regex: token('npm_[A-Za-z0-9]{36,}') },
  { name: 'huggingface_token', severity: 'high', hints: ['hf_'], regex: token('hf_[A-Za-z0-9]{30,}') },
  {
    name: 'roundhouse_key',
    severity: 'high',
    hints: ['rhu_', 'rhs_', 'rht_'],
    regex: token('rh[ust]_[A-Za-z0-9]{38}(?![A-Za-z0-9])'),
  },
  {
    name: 'url_credentials',
    severity: 'medium',
    hints: ['://'],
    regex: new RegExp(
      String.raw`\b(?:https?|ftps?|ssh|git|wss?|smtps?|ldaps?):\/\/([^\s:@/"'<>\\?#]{1,200}:[^\s@/"'<>\\?#]{4,300})@`,
      'gi',
    ),
  },
];

export const SECRET_PATTERNS: readonly SecretPattern[] = PATTERNS.map((pattern) => builtIn('secret', pattern));

/** The captured-sessions client's own keys: allowed in scans (§16), yet nothing to show to strangers. */
export const OWN_KEY = builtIn('secret', {
  name: 'sessionfs_key',
  severity: 'high',
  hints: ['sk_sfs_'],
  regex: token('sk_sfs_[A-Za-z0-9]{16,}'),
});
