import { createHash, type Hash } from 'node:crypto';
import { type JsonObject, type JsonValue, isJsonObject, parseObject } from '../conversation/json.js';

const MANIFEST = /^(?:[^/]+\/)?manifest\.json$/;
/** A larger one is hashed as it came. */
const MAX_MANIFEST_BYTES = 1_048_576;

/**
 * A hash over what an archive contains: paths and contents in the order of the paths, without times, modes, owners and
 * the client's own `sync` notes in the manifest, all of which change with every push of an unchanged session; and without
 * the id there, which says nothing beside the one it is pushed to and is another in a claimed session's archive.
 */
export class ContentHash {
  private readonly members: string[] = [];

  /** The hash of a member while its content goes by; ends with `finish`. */
  member(path: string, bytes: number): MemberHash {
    return new MemberHash(MANIFEST.test(path) && bytes <= MAX_MANIFEST_BYTES, (digest) => {
      // JSON text, so that no path can be mistaken for the start of another member.
      this.members.push(JSON.stringify([path, digest]));
    });
  }

  digest(): string {
    return createHash('sha256').update(this.members.sort().join('\n')).digest('hex');
  }
}

class MemberHash {
  private readonly hash: Hash = createHash('sha256');
  private readonly chunks: Uint8Array[] = [];

  constructor(
    private readonly isManifest: boolean,
    private readonly done: (digest: string) => void,
  ) {}

  update(chunk: Uint8Array): void {
    if (this.isManifest) this.chunks.push(chunk);
    else this.hash.update(chunk);
  }

  finish(): void {
    if (this.isManifest) this.hash.update(manifestContent(Buffer.concat(this.chunks)));
    this.done(this.hash.digest('hex'));
  }
}

/** The manifest without `sync`, without its id and without the accidents of its writing; as it came when it is no JSON object. */
function manifestContent(bytes: Buffer): Uint8Array | string {
  const manifest = parseObject(bytes.toString('utf8'));
  if (manifest === undefined) return bytes;
  const { sync: _sync, session_id: _id, ...content } = manifest;
  return JSON.stringify(inOrder(content));
}

/** The same value with the members of every object in the order of their names. */
function inOrder(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(inOrder);
  if (!isJsonObject(value)) return value;
  const names = Object.keys(value).sort();
  return Object.fromEntries(names.map((name) => [name, inOrder((value as JsonObject)[name] ?? null)]));
}
