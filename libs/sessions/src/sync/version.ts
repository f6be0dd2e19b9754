import { DomainError } from '#kernel';
import type { MessageIndex } from '../archive/message-log.js';
import type { JsonObject } from '../conversation/json.js';

/** One accepted push of a session. */
export interface SessionVersion {
  readonly id: string;
  readonly sessionUid: string;
  /** SHA-256 of the bytes as received, hex. */
  readonly etag: string;
  readonly contentHash: string;
  readonly archiveDigest: string;
  readonly archiveBytes: number;
  /** What the manifest is to name when the archive is sent; null to send it as it is stored. */
  readonly manifestSessionId: string | null;
  readonly messagesDigest: string | null;
  readonly messagesIndex: MessageIndex;
  readonly badLineCount: number;
  readonly problems: readonly string[];
  readonly workspace: JsonObject | null;
  readonly tools: JsonObject | null;
  /** Overwritten by a push that did not know it. */
  readonly isBranch: boolean;
  /** Null when the server recorded it by itself. */
  readonly pushedByKey: string | null;
  readonly clientDevice: string | null;
  readonly createdAt: Date;
}

/** The one strong value of an `If-Match` or `If-None-Match`; quotes are optional. Null when the header is absent. */
export function etagOf(header: string | undefined): string | null {
  if (header === undefined || header.trim() === '') return null;
  return header.trim().replace(/^"(.*)"$/, '$1');
}

export function etagMismatch(message: string, currentEtag: string): DomainError {
  return new DomainError('conflict', message, { reason: 'etag_mismatch', details: { current_etag: currentEtag } });
}
