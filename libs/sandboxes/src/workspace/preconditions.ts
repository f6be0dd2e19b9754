import type { IncomingHttpHeaders } from 'node:http';
import { DomainError } from '#kernel';

/** One entity tag of a list, or nothing between two commas (RFC 9110 §8.8.3, §5.6.1). */
const NEXT_TAG = /[ \t]*(?:(W\/)?("[\x21\x23-\x7e\x80-\xff]*"))?[ \t]*(?:,|$)/y;

/** The tags of `If-Match` or `If-None-Match`. */
type Tags = '*' | readonly { readonly isWeak: boolean; readonly opaque: string }[];

/** What a request asks of the file as it is (RFC 9110 §13.1). Our own tags are strong. */
export class Preconditions {
  static readonly NONE = new Preconditions(null, null);

  private constructor(
    private readonly match: Tags | null,
    private readonly noneMatch: Tags | null,
  ) {}

  /** Errors: `invalid_input` for what is no list of tags: a write that was meant to be conditional must not happen. */
  static of(headers: IncomingHttpHeaders): Preconditions {
    return new Preconditions(
      tagsIn('If-Match', headers['if-match']),
      tagsIn('If-None-Match', headers['if-none-match']),
    );
  }

  /** `current` is the ETag of what is there, null for nothing. Weak tags are never the same there: bytes are changed. */
  isMatched(current: string | null): boolean {
    const { match } = this;
    if (match === null) return true;
    return current !== null && (match === '*' || match.some((tag) => !tag.isWeak && tag.opaque === current));
  }

  /** Whether it is what `If-None-Match` rules out, however weak the tag. */
  isRuledOut(current: string | null): boolean {
    const { noneMatch: tags } = this;
    return current !== null && tags !== null && (tags === '*' || tags.some(({ opaque }) => opaque === current));
  }

  /** Errors: `precondition_failed` with the ETag of what is there. */
  assertMatched(current: string | null): void {
    if (!this.isMatched(current)) throw failed(current);
  }

  /** For whatever changes the file. Errors: as `assertMatched`. */
  assertMet(current: string | null): void {
    if (!this.isMatched(current) || this.isRuledOut(current)) throw failed(current);
  }
}

function tagsIn(field: string, header: string | undefined): Tags | null {
  if (header === undefined) return null;
  if (header.trim() === '*') return '*';
  const tags: { isWeak: boolean; opaque: string }[] = [];
  for (NEXT_TAG.lastIndex = 0; NEXT_TAG.lastIndex < header.length;) {
    const found = NEXT_TAG.exec(header);
    if (!found) throw new DomainError('invalid_input', `${field} must be ETags with commas, or *`, { field });
    const [, weak, opaque] = found;
    if (opaque !== undefined) tags.push({ isWeak: weak !== undefined, opaque });
  }
  return tags;
}

function failed(current: string | null): DomainError {
  return new DomainError('precondition_failed', 'The file is not what the request presumes', {
    ...(current !== null && { headers: { ETag: current }, details: { etag: current } }),
  });
}
