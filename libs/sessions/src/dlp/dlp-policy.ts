import { DomainError } from '#kernel';
import type { DlpMode, DlpOutcome, DlpRules } from '../archive/dlp-screen.js';
import { type CustomPattern, readCustomPatterns } from '../conversation/secrets/custom-pattern.js';
import type { Category } from '../conversation/secrets/pattern.js';

export const DLP_MODES: readonly DlpMode[] = ['warn', 'redact', 'block'];

/** Categories as policies and requests name them; findings say `secret` for the first (sessionfs-1.md §16). */
export type PolicyCategory = 'secrets' | 'phi';
export const POLICY_CATEGORIES: readonly PolicyCategory[] = ['secrets', 'phi'];

/** What an organisation wants done about secrets in what its members store (sessionfs-1.md §13). */
export interface DlpPolicy {
  readonly enabled: boolean;
  readonly mode: DlpMode;
  readonly categories: readonly PolicyCategory[];
  readonly customPatterns: readonly CustomPattern[];
  /** Literal texts: a match that holds one of them is no finding. */
  readonly allowlist: readonly string[];
}

export const DEFAULT_POLICY: DlpPolicy = {
  enabled: false,
  mode: 'warn',
  categories: ['secrets'],
  customPatterns: [],
  allowlist: [],
};

const MAX_ALLOWED = 200;
const MAX_ALLOWED_LENGTH = 200;

/** What a policy is searched with. */
export function rulesOf({ mode, categories, customPatterns, allowlist }: DlpPolicy): DlpRules {
  return { mode, categories: categories.map(categoryOf), customPatterns, allowlist };
}

export const categoryOf = (category: PolicyCategory): Category => (category === 'phi' ? 'phi' : 'secret');

/** What a search found, as it is kept with the session and answered as JSON text (sessionfs-1.md §13). */
export interface DlpScanResults {
  readonly scanned_at: string;
  readonly findings_count: number;
  readonly mode: DlpMode;
  readonly finding_types: readonly string[];
  readonly action_taken: DlpMode | 'clean';
  readonly categories_scanned: readonly PolicyCategory[];
  /** Whose policy it was. */
  readonly org_id: string;
}

export interface OrgPolicy extends DlpPolicy {
  readonly orgId: string;
}

export function resultsOf({ mode, categories }: DlpPolicy, orgId: string, found: DlpOutcome, at: Date): DlpScanResults {
  return {
    scanned_at: at.toISOString(),
    findings_count: found.count,
    mode,
    finding_types: found.types,
    action_taken: found.count > 0 ? mode : 'clean',
    categories_scanned: categories,
    org_id: orgId,
  };
}

/**
 * The policy for conversations that the server records by itself. Nobody chose to store their secrets, so these are
 * taken out also where there is no policy, or one that only warns.
 */
export function policyOfCaptures<Policy extends DlpPolicy>(policy: Policy | null): DlpPolicy | Policy {
  if (policy === null) return { ...DEFAULT_POLICY, mode: 'redact' };
  if (policy.mode === 'warn') return { ...policy, mode: 'redact', categories: ['secrets'], customPatterns: [] };
  const { categories } = policy;
  return { ...policy, categories: POLICY_CATEGORIES.filter((one) => one === 'secrets' || categories.includes(one)) };
}

export type DlpPolicyChange = Partial<DlpPolicy>;

/** Members that may be sent; each unchecked. */
export type DlpPolicyWire = Readonly<
  Partial<Record<'enabled' | 'mode' | 'categories' | 'custom_patterns' | 'allowlist', unknown>>
>;

/** Checks a change by hand: no complaint repeats what was sent, which may be the secret itself. */
export function readPolicyChange(body: DlpPolicyWire): DlpPolicyChange {
  const { enabled, mode, categories, custom_patterns: patterns, allowlist } = body;
  return {
    ...(isGiven(enabled) && { enabled: readFlag(enabled) }),
    ...(isGiven(mode) && { mode: readMode(mode) }),
    ...(isGiven(categories) && { categories: readCategories(categories) }),
    ...(isGiven(patterns) && { customPatterns: readCustomPatterns(patterns) }),
    ...(isGiven(allowlist) && { allowlist: readAllowlist(allowlist) }),
  };
}

const isGiven = (value: unknown): boolean => value !== undefined && value !== null;

function readFlag(value: unknown): boolean {
  if (typeof value !== 'boolean') throw refused('enabled', 'must be a boolean');
  return value;
}

function readMode(value: unknown): DlpMode {
  const mode = DLP_MODES.find((known) => known === value);
  if (!mode) throw refused('mode', `must be one of: ${DLP_MODES.join(', ')}`);
  return mode;
}

/** In the order in which we name them, each once. */
export function readCategories(value: unknown): PolicyCategory[] {
  const known: readonly unknown[] = POLICY_CATEGORIES;
  if (!Array.isArray(value) || value.length === 0 || !value.every((item) => known.includes(item))) {
    throw refused('categories', `must be a non-empty subset of: ${POLICY_CATEGORIES.join(', ')}`);
  }
  return POLICY_CATEGORIES.filter((category) => value.includes(category));
}

function readAllowlist(value: unknown): string[] {
  if (!Array.isArray(value) || value.length > MAX_ALLOWED) {
    throw refused('allowlist', `must be a list of at most ${MAX_ALLOWED} texts`);
  }
  const isText = (item: unknown): item is string =>
    typeof item === 'string' && item.length > 0 && item.length <= MAX_ALLOWED_LENGTH && !item.includes('\0');
  const bad = value.findIndex((item) => !isText(item));
  if (bad >= 0) throw refused(`allowlist[${bad}]`, `must be a text of 1 to ${MAX_ALLOWED_LENGTH} characters`);
  return [...new Set(value as string[])];
}

const refused = (field: string, complaint: string): DomainError =>
  new DomainError('invalid_input', `${field} ${complaint}`, { field });
