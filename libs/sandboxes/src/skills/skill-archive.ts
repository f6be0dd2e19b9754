import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PassThrough, pipeline } from 'node:stream';
import { crc32, createInflateRaw } from 'node:zlib';
import { type Entry, openPromise, type ZipFile } from 'yauzl';
import { DomainError } from '#kernel';
import { ArchiveNames, toEntryPath } from './archive-names.js';
import { archiveRefused, SKILL_FILE, SKILL_LIMITS, skillTooLarge } from './skill.js';

export interface UnpackedSkill {
  readonly files: number;
  readonly totalBytes: number;
  readonly skillMdBytes: number;
}

const STORED = 0;
const TYPE = 0o170000;
const REGULAR = 0o100000;
const DIRECTORY = 0o040000;

/**
 * Unpacks the archive of a skill into an empty directory, all of it on disk for good. Its table of contents is judged as
 * a whole first; content that is not what the table says ends it, so an archive cannot grow beyond what it admits to.
 * Errors: `bad_request` (`invalid_archive`), `payload_too_large`.
 */
export async function unpackSkill(archive: string, target: string): Promise<UnpackedSkill> {
  try {
    const names = new ArchiveNames();
    const facts = { files: 0, totalBytes: 0 };
    await forEach(archive, (entry) => Promise.resolve(judge(entry, names, facts)));
    const wrapping = names.wrapping();
    const directories = new Set([target]);
    let skillMdBytes = 0;
    await forEach(archive, async (entry, zip) => {
      const path = toEntryPath(entry.fileName).slice(wrapping);
      const place = join(target, ...path);
      await makeDirectories(target, isDirectory(entry) ? place : dirname(place), directories);
      if (isDirectory(entry)) return;
      await unpackFile(zip, entry, place);
      if (path.join('/') === SKILL_FILE) skillMdBytes = entry.uncompressedSize;
    });
    for (const directory of directories) await settle(await open(directory, 'r'), 0o755);
    return { ...facts, skillMdBytes };
  } catch (error) {
    throw isArchiveFault(error) ? archiveRefused(`No sound zip archive: ${(error as Error).message}`, error) : error;
  }
}

/** One after the other, from an archive that is closed however this ends. */
async function forEach(archive: string, use: (entry: Entry, zip: ZipFile) => Promise<void>): Promise<void> {
  // Entries are read anew each time: keeping them would keep whatever else their headers hold.
  const zip = await openPromise(archive, { lazyEntries: true, autoClose: false, strictFileNames: true });
  try {
    if (zip.entryCount > SKILL_LIMITS.entries) throw tooLarge('entries', SKILL_LIMITS.entries);
    for await (const entry of zip.eachEntry()) await use(entry, zip);
  } finally {
    zip.close();
  }
}

function judge(entry: Entry, names: ArchiveNames, facts: { files: number; totalBytes: number }): void {
  const path = toEntryPath(entry.fileName);
  const shown = entry.fileName.slice(0, 200);
  const type = (entry.externalFileAttributes >>> 16) & TYPE;
  if (type !== 0 && type !== REGULAR && type !== DIRECTORY)
    throw archiveRefused(`'${shown}' is neither a file nor a directory`);
  if (entry.isEncrypted()) throw archiveRefused(`'${shown}' is encrypted`);
  if (!entry.canDecodeFileData()) throw archiveRefused(`'${shown}' is compressed in a way that is not known`);
  if (isDirectory(entry)) {
    if (entry.uncompressedSize > 0) throw archiveRefused(`'${shown}' is a directory with content`);
    return names.add(path, 'directory');
  }
  if (type === DIRECTORY) throw archiveRefused(`'${shown}' is a directory named like a file`);
  if (entry.uncompressedSize > SKILL_LIMITS.bytesOfFile)
    throw tooLarge(`bytes in a file, but '${shown}' has more`, SKILL_LIMITS.bytesOfFile);
  names.add(path, 'file');
  facts.files += 1;
  facts.totalBytes += entry.uncompressedSize;
  if (facts.totalBytes > SKILL_LIMITS.bytes) throw tooLarge('bytes in all', SKILL_LIMITS.bytes);
}

async function unpackFile(zip: ZipFile, entry: Entry, place: string): Promise<void> {
  const file = await open(place, 'wx', 0o600);
  try {
    let bytes = 0;
    let sum = 0;
    for await (const chunk of await contentOf(zip, entry)) {
      bytes += chunk.length;
      if (bytes > entry.uncompressedSize) break;
      sum = crc32(chunk, sum);
      await file.writeFile(chunk);
    }
    if (bytes !== entry.uncompressedSize || sum !== entry.crc32)
      throw archiveRefused(`'${entry.fileName.slice(0, 200)}' is not what the archive says of it`);
  } catch (error) {
    await file.close();
    throw error;
  }
  const isProgram = ((entry.externalFileAttributes >>> 16) & 0o111) !== 0;
  await settle(file, isProgram ? 0o755 : 0o644);
}

/** Whoever stops reading ends all of it: yauzl's own inflating stream would leave its memory to the next collection. */
async function contentOf(zip: ZipFile, entry: Entry): Promise<AsyncIterable<Buffer>> {
  const packed = await zip.openReadStreamPromise(entry, { decodeFileData: false });
  const decoder = entry.compressionMethod === STORED ? new PassThrough() : createInflateRaw();
  // What fails in it, the reader of the last stream is told.
  return pipeline(packed, decoder, () => undefined);
}

/** Readable for the user that sandboxes run as, whatever this process's umask says. */
async function settle(file: FileHandle, mode: number): Promise<void> {
  try {
    await file.chmod(mode);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function makeDirectories(target: string, directory: string, made: Set<string>): Promise<void> {
  if (made.has(directory)) return;
  await mkdir(directory, { recursive: true });
  for (let each = directory; each !== target && !made.has(each); each = dirname(each)) made.add(each);
}

function isDirectory({ fileName }: Entry): boolean {
  return fileName.endsWith('/');
}

/** What yauzl and zlib say of the archive, not what the system says of this machine. */
function isArchiveFault(error: unknown): boolean {
  if (error instanceof DomainError) return false;
  const { name, code } = error as NodeJS.ErrnoException;
  return (name === 'Error' && code === undefined) || (code ?? '').startsWith('Z_');
}

function tooLarge(what: string, limit: number): DomainError {
  return skillTooLarge(`A skill may have at most ${limit} ${what}`, limit);
}
