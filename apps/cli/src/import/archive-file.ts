import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, relative, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { extract, pack, type Pack } from 'tar-stream';
import { isJson, type Json } from './lines.js';

export type Member =
  { readonly name: string; readonly content: string } | { readonly name: string; readonly path: string };

/** Equal members make equal bytes, so that what is on the server already is known by its hash. */
const MTIME = new Date(0);
const SESSION_ID = /^ses_[a-z0-9]{8,40}$/;
const MAX_MANIFEST_BYTES = 16 * 1_048_576;

/** Packs members, sorted by name, as clients of the format do. */
export async function writeArchive(members: readonly Member[], target: string): Promise<void> {
  const packer = pack();
  const written = pipeline(packer, createGzip(), createWriteStream(target));
  // Waited for below; it may fail while a member is being read.
  written.catch(() => undefined);
  try {
    for (const member of [...members].sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if ('content' in member) packer.entry(headerOf(member.name), member.content);
      else await addFile(packer, member.name, member.path, written);
    }
    packer.finalize();
  } catch (error) {
    packer.destroy(error as Error);
    await written.catch(() => undefined);
    throw error;
  }
  await written;
}

const headerOf = (name: string) => ({ name, mtime: MTIME, mode: 0o644 });

async function addFile(packer: Pack, name: string, path: string, written: Promise<void>): Promise<void> {
  const { size } = await stat(path);
  let over: (error?: Error | null) => void = () => undefined;
  const ended = new Promise<void>((resolve, reject) => (over = (error) => (error ? reject(error) : resolve())));
  ended.catch(() => undefined);
  const entry = packer.entry({ ...headerOf(name), size }, (error) => over(error));
  // A file that grows meanwhile is taken as long as it was.
  const content = size === 0 ? [] : createReadStream(path, { end: size - 1 });
  for await (const chunk of content as AsyncIterable<Buffer>) {
    // `written` only ever wins by failing: nothing drains after that.
    if (!entry.write(chunk)) await Promise.race([once(entry, 'drain'), written]);
  }
  entry.end(null);
  await ended;
}

/** The members of an unpacked session: its files, not what links lead to. */
export async function membersOf(folder: string): Promise<Member[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ name: relative(folder, path).split(sep).join('/'), path }));
}

/** What the manifest of an unpacked session says. Errors: with a reason for people. */
export async function manifestIn(folder: string): Promise<Json> {
  return manifestFrom(await readFile(join(folder, 'manifest.json')));
}

/** What the manifest of a packed session says. Errors: with a reason for people. */
export async function manifestOfArchive(path: string): Promise<Json> {
  const reader = extract();
  const source = createReadStream(path);
  const inflate = createGunzip();
  const reading = pipeline(source, inflate, reader).catch((error: Error) => reader.destroy(error));
  try {
    for await (const entry of reader) {
      const isManifest = /^(?:\.\/)?(?:[^/]+\/)?manifest\.json$/.test(entry.header.name);
      if (!isManifest || (entry.header.size ?? 0) > MAX_MANIFEST_BYTES) {
        entry.resume();
        continue;
      }
      const chunks: Buffer[] = [];
      for await (const chunk of entry as AsyncIterable<Buffer>) chunks.push(chunk);
      return manifestFrom(Buffer.concat(chunks));
    }
  } finally {
    source.destroy();
    await reading;
  }
  throw new Error('there is no manifest.json in it');
}

function manifestFrom(bytes: Buffer): Json {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new Error('its manifest.json is not JSON', { cause: error });
  }
  if (!isJson(value)) throw new Error('its manifest.json is not an object');
  return value;
}

/** The id a session was given, else one that the next import makes as well. */
export function sessionIdOf(manifest: Json, path: string): string {
  const named = basename(path).replace(/\.(sfs|tar\.gz)$/, '');
  const id = [manifest['session_id'], named].find((name) => typeof name === 'string' && SESSION_ID.test(name));
  if (id !== undefined) return id as string;
  const origin = typeof manifest['session_id'] === 'string' ? manifest['session_id'] : named;
  return `ses_${createHash('sha256').update(`sfs:${origin}`).digest('hex').slice(0, 32)}`;
}

export async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) hash.update(chunk);
  return hash.digest('hex');
}
