import { DomainError } from '#kernel';

const MEBIBYTE = 1_048_576;
const megabytes = (bytes: number): number => Math.ceil(bytes / MEBIBYTE);

/** What the caller's tier allows (sessionfs-1.md §6.3). Plain data: it crosses into the worker. */
export interface ArchiveLimits {
  /** Bytes of the archive as received. */
  readonly archiveBytes: number;
  /** Bytes of one member. */
  readonly memberBytes: number;
  /** Whether a larger plan exists to be suggested. */
  readonly canUpgrade: boolean;
}

/** What no archive of any tier may exceed: without these a few kilobytes keep a server busy for hours. */
export const CEILINGS = {
  memberBytes: 100 * MEBIBYTE,
  members: 10_000,
  totalBytes: 2_048 * MEBIBYTE,
  /** Inflated bytes per received byte. Deflate reaches 1,032; conversations 5 to 40. */
  ratio: 200,
  /** The ratio counts from here on: what is smaller is harmless, and small things compress oddly. */
  ratioFromBytes: 64 * MEBIBYTE,
} as const;

export const invalidArchive = (reason: string, cause?: unknown): DomainError =>
  new DomainError('bad_request', `Invalid tar.gz archive: ${reason}`, { cause });

export const refusedArchive = (message: string): DomainError => new DomainError('bad_request', message);

export function archiveTooLarge(limits: ArchiveLimits): DomainError {
  const { archiveBytes, canUpgrade } = limits;
  const advice = canUpgrade ? ', or upgrade your plan' : '';
  return new DomainError(
    'payload_too_large',
    `Session exceeds ${megabytes(archiveBytes)}MB cloud limit for your tier. Run sfs compact to reduce size${advice}.`,
    { reason: 'PAYLOAD_TOO_LARGE', details: { limit_bytes: archiveBytes, suggestion: suggestionFor(limits) } },
  );
}

/** The ceiling comes before the tier's cap, so that it is 400 where the cap is 413 (sessionfs-1.md §6.3). */
export function assertMemberSize(name: string, bytes: number, limits: ArchiveLimits): void {
  const shown = megabytes(bytes);
  if (bytes > CEILINGS.memberBytes) {
    throw refusedArchive(`Member too large: ${name} (${shown}MB, limit ${megabytes(CEILINGS.memberBytes)}MB)`);
  }
  if (bytes <= limits.memberBytes) return;
  const cap = megabytes(limits.memberBytes);
  throw new DomainError(
    'payload_too_large',
    `Session file '${name}' is ${shown}MB which exceeds the ${cap}MB per-file limit for your tier.`,
    {
      reason: 'session_too_large',
      details: { file: name, size_bytes: bytes, limit_bytes: limits.memberBytes, suggestion: suggestionFor(limits) },
    },
  );
}

const suggestionFor = ({ canUpgrade }: ArchiveLimits): string =>
  canUpgrade
    ? 'Start a new session, remove large attachments, or upgrade your plan for a higher per-file limit.'
    : 'Start a new session or remove large attachments from this one.';
