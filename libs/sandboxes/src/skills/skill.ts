import { randomBytes } from 'node:crypto';
import { DomainError } from '#kernel';

const MEBIBYTE = 1_048_576;

/** What a skill may hold (sandbox-sessions.md §B7). Bytes are those of the files, not of the archive. */
export const SKILL_LIMITS = { entries: 1_000, bytes: 50 * MEBIBYTE, bytesOfFile: 25 * MEBIBYTE } as const;
/** Each is a mount of every command. */
export const SKILLS_OF_ACCOUNT = 50;
export const SKILL_FILE = 'SKILL.md';
/** Below it every session finds its skills, each in a directory of its name. */
export const SKILLS_INSIDE = '/opt/sandbox/skills';

export interface Skill {
  readonly name: string;
  /** Of `SKILL.md`; empty when it says nothing. */
  readonly description: string;
  readonly files: number;
  readonly totalBytes: number;
  readonly skillMdBytes: number;
  /** SHA-256 of the archive it came in, hex. */
  readonly archiveDigest: string;
  readonly createdAt: Date;
  /** When what it is now was uploaded. */
  readonly updatedAt: Date;
}

/** A skill as a session was made with it. */
export interface SessionSkill {
  readonly name: string;
  readonly version: string;
}

const NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;
const RESERVED = 'custom-';
const VERSION = /^skv_[0-9a-f]{32}$/;

export function isSkillName(text: string): boolean {
  return NAME.test(text);
}

/** Errors: `invalid_input`. */
export function assertSkillName(text: string): void {
  if (!isSkillName(text))
    throw new DomainError(
      'invalid_input',
      'name must have 1 to 64 characters of a-z, 0-9, _ and -, the first a letter or digit',
      { field: 'name' },
    );
  if (text.startsWith(RESERVED))
    throw new DomainError('invalid_input', `name must not begin with '${RESERVED}': such names are reserved`, {
      field: 'name',
    });
}

export function newSkillVersion(): string {
  return `skv_${randomBytes(16).toString('hex')}`;
}

export function isSkillVersion(text: string): boolean {
  return VERSION.test(text);
}

export const skillNotFound = (): DomainError => new DomainError('not_found', 'Skill not found');

export const archiveRefused = (why: string, cause?: unknown): DomainError =>
  new DomainError('bad_request', why, { reason: 'invalid_archive', cause });

export const skillTooLarge = (rule: string, limit: number): DomainError =>
  new DomainError('payload_too_large', rule, { reason: 'skill_too_large', details: { limit } });

export const tooManySkills = (): DomainError =>
  new DomainError('conflict', `An account may have at most ${SKILLS_OF_ACCOUNT} skills; delete one first`, {
    reason: 'skills.limit',
    details: { limit: SKILLS_OF_ACCOUNT },
  });
