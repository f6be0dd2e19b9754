import { isJsonObject, type JsonObject, type JsonValue } from '../conversation/json.js';
import { normaliseRemote } from './git-remote.js';
import { smartTitle } from './smart-title.js';
import { cut, storableJson, storableText } from './storable.js';

/** What an archive says of its session (sessionfs-1.md §7.4), fit to be stored. */
export interface ArchiveMetadata {
  readonly title: string | null;
  readonly tags: readonly string[];
  readonly sourceTool: string;
  readonly sourceToolVersion: string | null;
  readonly originalSessionId: string | null;
  readonly modelProvider: string | null;
  readonly modelId: string | null;
  readonly messageCount: number;
  readonly turnCount: number;
  readonly toolUseCount: number;
  readonly totalInputTokens: number;
  readonly totalOutputTokens: number;
  readonly durationMs: number | null;
  readonly parentSessionId: string | null;
  readonly personaName: string | null;
  readonly ticketId: string | null;
  readonly retrievalAuditId: string | null;
  readonly rulesSource: string;
  readonly rulesVersion: string | null;
  readonly rulesHash: string | null;
  readonly instructionArtifacts: readonly JsonValue[];
  /** `owner/repo`, lowercase. */
  readonly gitRemote: string | null;
  readonly gitBranch: string | null;
  /** On which the checkout stood. */
  readonly gitCommit: string | null;
  /** Those made meanwhile, newest first. */
  readonly gitCommits: readonly string[];
}

export interface MetadataSources {
  /** Null when the archive has none; `{}` when what it has is no JSON object. */
  readonly manifest: JsonObject | null;
  readonly workspace: JsonObject | null;
  /** Text of the first message that a person wrote. */
  readonly prompt: string | null;
  /** Messages found, for manifests that do not count them. */
  readonly messageCount: number;
  /** Takes secrets out of a title. */
  readonly redact: (text: string) => string;
}

const MAX_COUNT = 2 ** 31 - 1;
const MAX_TAGS = 100;
const MAX_TAG = 50;
const MAX_ARTIFACTS = 100;
const MAX_ARTIFACT_JSON = 65_536;
/** A commit id of a repository with SHA-256 is 64 characters, for which the reference has no room. */
const MAX_COMMIT = 64;
const MAX_COMMITS = 500;
const COMMIT_ID = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
const NO_MODEL = new Set(['<synthetic>', 'synthetic']);
const SAFE_TOKEN = /^[A-Za-z0-9][A-Za-z0-9_.:-]*$/;

/**
 * Never throws: a field of the wrong type, too long or unstorable reads as its default, a bound or what is left of it,
 * and `problems` says which, in words for the owner.
 */
export function readMetadata(sources: MetadataSources): { metadata: ArchiveMetadata; problems: readonly string[] } {
  const problems: string[] = [];
  const manifest = new Fields(sources.manifest ?? {}, 'manifest', problems);
  const source = manifest.inner('source');
  const model = manifest.inner('model');
  const stats = manifest.inner('stats');
  const git = new Fields(sources.workspace ?? {}, 'workspace', problems).inner('git');
  const modelId = model.text('model_id', 100);
  const remote = git.text('remote_url', 2_048);
  const messageCount = stats.count('message_count');
  const titleSource = { given: manifest.text('title', 10_000), prompt: sources.prompt };
  const metadata: ArchiveMetadata = {
    title:
      sources.manifest === null
        ? null
        : smartTitle({ ...titleSource, messageCount: messageCount || sources.messageCount }, sources.redact),
    tags: manifest.tags('tags'),
    sourceTool: source.text('tool', 50) ?? 'unknown',
    sourceToolVersion: source.text('tool_version', 50),
    originalSessionId: source.text('original_session_id', 255),
    modelProvider: model.text('provider', 50),
    modelId: modelId !== null && NO_MODEL.has(modelId) ? null : modelId,
    messageCount,
    turnCount: stats.count('turn_count'),
    toolUseCount: stats.count('tool_use_count'),
    totalInputTokens: stats.count('total_input_tokens', Number.MAX_SAFE_INTEGER),
    totalOutputTokens: stats.count('total_output_tokens', Number.MAX_SAFE_INTEGER),
    durationMs: stats.has('duration_ms') ? stats.count('duration_ms', Number.MAX_SAFE_INTEGER) : null,
    parentSessionId: manifest.text('parent_session_id', 64) ?? manifest.text('_resume_parent_id', 64),
    personaName: manifest.text('persona_name', 50),
    ticketId: manifest.text('ticket_id', 64),
    retrievalAuditId: manifest.token('retrieval_audit_id', 64),
    ...rulesOf(manifest.inner('instruction_provenance')),
    gitRemote: remote === null ? null : cut(normaliseRemote(remote), 255) || null,
    gitBranch: git.text('branch', 255),
    gitCommit: git.text('commit_sha', MAX_COMMIT),
    gitCommits: git.commits('commits'),
  };
  return { metadata, problems };
}

type Rules = Pick<ArchiveMetadata, 'rulesSource' | 'rulesVersion' | 'rulesHash' | 'instructionArtifacts'>;

function rulesOf(provenance: Fields): Rules {
  return {
    rulesSource: provenance.text('rules_source', 50) ?? 'none',
    rulesVersion: provenance.text('rules_version', 50),
    // `sha256:<hash>`: what counts is the hash.
    rulesHash: provenance.text('rules_hash', 255)?.replace(/^.*:/, '') || null,
    instructionArtifacts: provenance.artifacts('instruction_artifacts'),
  };
}

/** One object of the manifest; everything it cannot use it notes. */
class Fields {
  constructor(
    private readonly object: JsonObject,
    private readonly path: string,
    private readonly problems: string[],
  ) {}

  /** Whether the field says anything; null says nothing. */
  has(name: string): boolean {
    return Object.hasOwn(this.object, name) && this.object[name] !== null;
  }

  inner(name: string): Fields {
    const value = this.value(name);
    if (value !== null && !isJsonObject(value)) this.note(name, 'is not an object');
    return new Fields(isJsonObject(value) ? value : {}, `${this.path}.${name}`, this.problems);
  }

  /** One line of text, or null when there is none. */
  text(name: string, max: number): string | null {
    const value = this.value(name);
    if (value === null) return null;
    if (typeof value !== 'string') return this.note(name, 'is not text');
    const clean = line(value);
    if (clean.length > max) this.note(name, `is longer than ${max} characters`);
    return cut(clean, max).trim() || null;
  }

  token(name: string, max: number): string | null {
    const text = this.text(name, max);
    if (text === null || SAFE_TOKEN.test(text)) return text;
    return this.note(name, 'has characters that no id has');
  }

  /** A whole number from 0 to `max`; 0 when absent. */
  count(name: string, max = MAX_COUNT): number {
    const value = this.value(name);
    if (value === null) return 0;
    if (typeof value !== 'number' || !Number.isFinite(value)) return this.note(name, 'is not a number') ?? 0;
    const clamped = Math.min(max, Math.max(0, Math.trunc(value)));
    if (clamped !== value) this.note(name, 'is not a whole number in range');
    return clamped;
  }

  tags(name: string): readonly string[] {
    const value = this.value(name);
    if (value === null) return [];
    if (!Array.isArray(value)) return this.note(name, 'is not a list') ?? [];
    const texts = (value as readonly JsonValue[]).filter((tag) => typeof tag === 'string');
    const tags = new Set(texts.map((tag) => cut(line(tag), MAX_TAG).trim()).filter((tag) => tag !== ''));
    if (tags.size !== value.length) this.note(name, 'has members that are no text, empty or twice there');
    if (texts.some((tag) => tag.length > MAX_TAG)) this.note(name, `has members longer than ${MAX_TAG} characters`);
    if (tags.size > MAX_TAGS) this.note(name, `has more than ${MAX_TAGS} members`);
    return [...tags].slice(0, MAX_TAGS);
  }

  commits(name: string): readonly string[] {
    const value = this.value(name);
    if (value === null) return [];
    if (!Array.isArray(value)) return this.note(name, 'is not a list') ?? [];
    const ids = new Set((value as readonly JsonValue[]).filter((id) => typeof id === 'string' && COMMIT_ID.test(id)));
    if (ids.size !== value.length) this.note(name, 'has members that are no commit ids or twice there');
    if (ids.size > MAX_COMMITS) this.note(name, `has more than ${MAX_COMMITS} members`);
    return ([...ids] as string[]).slice(0, MAX_COMMITS);
  }

  artifacts(name: string): readonly JsonValue[] {
    const value = this.value(name);
    if (value === null) return [];
    if (!Array.isArray(value)) return this.note(name, 'is not a list') ?? [];
    const list = (value as readonly JsonValue[]).slice(0, MAX_ARTIFACTS).map(storableJson);
    if (value.length > MAX_ARTIFACTS) this.note(name, `has more than ${MAX_ARTIFACTS} members`);
    if (JSON.stringify(list).length > MAX_ARTIFACT_JSON) return this.note(name, 'is too large') ?? [];
    return list;
  }

  private value(name: string): JsonValue {
    return Object.hasOwn(this.object, name) ? (this.object[name] ?? null) : null;
  }

  private note(name: string, what: string): null {
    this.problems.push(`${this.path}.${name} ${what}`);
    return null;
  }
}

const line = (text: string): string =>
  storableText(text)
    .replace(/[\u0001-\u001f\u007f]+/g, ' ')
    .trim();
