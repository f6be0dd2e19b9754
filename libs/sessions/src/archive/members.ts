import { once } from 'node:events';
import { extract, type Extract, type Header } from 'tar-stream';
import { DomainError } from '#kernel';
import { type ArchiveLimits, assertMemberSize, CEILINGS, invalidArchive, refusedArchive } from './archive-limits.js';
import { ByteCount } from './inflate.js';
import { memberPath, shownName } from './member-name.js';

const BLOCK_BYTES = 512;

/** A regular file of an archive. Its content must be read before the next one is asked for. */
export interface Member {
  /** Relative, `/` between its parts, no `.` or `..`. */
  readonly path: string;
  readonly bytes: number;
  readonly modifiedAt: Date;
  readonly content: AsyncIterable<Uint8Array>;
}

/**
 * The regular files of a tar stream in their order; directories are checked and skipped. Every rule of sessionfs-1.md
 * §7.3 (and what it leaves open: devices, duplicates, counts, a missing end) is held before content is given out.
 */
export async function* members(tar: AsyncIterable<Uint8Array>, limits: ArchiveLimits): AsyncGenerator<Member> {
  const parser = extract();
  const seen = new SeenPaths();
  const end = new ParserEnd(parser);
  // Never waited for: when a member is refused, the source may be a client that sends nothing more for a while.
  void feed(tar, parser, end);
  try {
    for await (const entry of parser) {
      const member = checked(entry.header, seen, limits);
      if (member === null) entry.resume();
      else yield { ...member, content: contentOf(entry as AsyncIterable<Uint8Array>, end, seen) };
    }
  } catch (error) {
    throw tarFailure(end.error ?? error, seen.count);
  } finally {
    parser.destroy();
  }
}

/** A member's content ends with the parser, and says only that it did: the reason is the parser's. */
async function* contentOf(
  entry: AsyncIterable<Uint8Array>,
  end: ParserEnd,
  seen: SeenPaths,
): AsyncGenerator<Uint8Array> {
  try {
    yield* entry;
  } catch (error) {
    await end.closed;
    throw tarFailure(end.error ?? error, seen.count);
  }
}

/** Whether and why a parser came to its end. */
class ParserEnd {
  isClosed = false;
  /** The first failure: later ones are its consequences. */
  error: unknown;
  readonly closed: Promise<void>;

  constructor(parser: Extract) {
    parser.on('error', (error) => (this.error ??= error));
    this.closed = new Promise((resolve) => {
      parser.once('close', () => {
        this.isClosed = true;
        resolve();
      });
    });
  }
}

/** Writes the stream into the parser at the parser's pace. Never rejects: failures destroy the parser, which reports them. */
async function feed(tar: AsyncIterable<Uint8Array>, parser: Extract, end: ParserEnd): Promise<void> {
  const count = new ByteCount();
  try {
    for await (const chunk of tar) {
      count.add(chunk);
      if (end.isClosed) return;
      if (!parser.write(chunk)) await Promise.race([once(parser, 'drain'), end.closed]);
      if (end.isClosed) return;
    }
    if (count.bytes === 0) throw invalidArchive('empty file');
    // One block is enough: some writers leave out the second. None means that the file was cut between two members.
    if (count.trailingZeros < BLOCK_BYTES) throw invalidArchive('no end of archive');
    parser.end(null);
  } catch (error) {
    end.error ??= error;
    parser.destroy(error instanceof Error ? error : new Error(String(error)));
  }
}

function checked(header: Header, seen: SeenPaths, limits: ArchiveLimits): Omit<Member, 'content'> | null {
  const path = memberPath(header.name);
  const shown = shownName(header.name);
  const bytes = header.size;
  seen.add(path, shown);
  switch (header.type) {
    case 'directory':
      if (bytes !== 0) throw refusedArchive(`Directory with content in tar archive: ${shown}`);
      return null;
    case 'file':
    case 'contiguous-file':
      break;
    case 'symlink':
    case 'link':
      throw refusedArchive(`Symlink in tar archive: ${shown}`);
    default:
      throw refusedArchive(`Special file in tar archive: ${shown}`);
  }
  if (path === '' || isSparse(header)) throw refusedArchive(`Invalid tar member: ${shown}`);
  assertMemberSize(shown, bytes, limits);
  return { path, bytes, modifiedAt: header.mtime };
}

/** Sparse files say one size and hold another. */
function isSparse(header: Header): boolean {
  return Object.keys(header.pax ?? {}).some((key) => key.startsWith('GNU.sparse.'));
}

class SeenPaths {
  private readonly paths = new Set<string>();
  count = 0;

  add(path: string, shown: string): void {
    this.count += 1;
    if (this.count > CEILINGS.members) throw refusedArchive(`Too many members in archive (limit ${CEILINGS.members})`);
    if (path === '') return;
    if (this.paths.has(path)) throw refusedArchive(`Duplicate tar member: ${shown}`);
    this.paths.add(path);
  }
}

/** The parser's own complaints come as plain errors with these words. */
function tarFailure(error: unknown, entries: number): unknown {
  if (error instanceof DomainError || !(error instanceof Error)) return error;
  if (error.message.startsWith('Unexpected end of data')) return invalidArchive('truncated tar', error);
  if (/^(Invalid (tar )?header|Header exceeds)/.test(error.message)) {
    return invalidArchive(entries === 0 ? 'not a tar file' : 'damaged tar header', error);
  }
  return error;
}
