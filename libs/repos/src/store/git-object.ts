import { DomainError } from '#kernel';

export type ObjectType = 'commit' | 'tree' | 'blob' | 'tag';

/** One object; `data` is shared with caches and must not be changed or transferred. */
export interface GitObject {
  readonly type: ObjectType;
  readonly data: Buffer;
}

/** What is known of an object without inflating it; `size` in bytes. */
export interface ObjectInfo {
  readonly type: ObjectType;
  readonly size: number;
}

/** Anything objects can be read from: a repository, or a repository plus the pack being written. */
export interface ObjectReader {
  /** Null when the object does not exist. */
  find(oid: string): GitObject | null;
}

/** A repository that likes to know what was just written to it, because it is likely to be read next. */
export interface ObjectAdopter {
  adopt(objects: Iterable<readonly [oid: string, object: GitObject]>): void;
}

/**
 * Objects above this are only streamed, never held in memory. It is git's own default for `core.bigFileThreshold`,
 * above which git stores no deltas, so that whatever git packed stays readable.
 */
export const MAX_MATERIALISED_BYTES = 512 * 1024 * 1024;

/** Objects up to this size may be kept in caches; a larger buffer belongs to whoever asked for it. */
export const MAX_CACHED_OBJECT_BYTES = 1024 * 1024;

/** Stored bytes contradict themselves (checksum, length, format). The message never names a path. */
export class CorruptObjectError extends DomainError {
  constructor(what: string, cause?: unknown) {
    super('internal', `Stored object is corrupt: ${what}`, { reason: 'object_corrupt', cause });
  }
}

/** The object is larger than may be held in memory. */
export class ObjectTooLargeError extends DomainError {
  constructor(size: number) {
    super('payload_too_large', 'Object is too large to be read at once', { details: { size } });
  }
}

/** Reads an object that must exist: a hole in the repository is corruption, not a caller's mistake. */
export function readRequired(reader: ObjectReader, oid: string, type: ObjectType): Buffer {
  const object = reader.find(oid);
  if (object === null) throw new CorruptObjectError(`${type} ${oid} is missing`);
  if (object.type !== type) throw new CorruptObjectError(`${oid} is a ${object.type}, not a ${type}`);
  return object.data;
}
