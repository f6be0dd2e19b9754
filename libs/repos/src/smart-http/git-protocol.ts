/** A ref as git clients are shown it. */
export interface AdvertisedRef {
  readonly name: string;
  readonly sha: string;
  /** The object an annotated tag finally points to; null for everything else. */
  readonly peeled: string | null;
}

/** The refs a caller may see, in the order they are to be listed (by name), and the full name of the default branch. */
export interface RefListing {
  readonly refs: readonly AdvertisedRef[];
  /** E.g. `refs/heads/main`; HEAD points there whether or not it exists. */
  readonly defaultBranch: string;
}

export type GitService = 'git-upload-pack' | 'git-receive-pack';
export type ProtocolVersion = 0 | 1 | 2;

export const ZERO_OID = '0'.repeat(40);
export const AGENT = 'agent=roundhouse';
export const OBJECT_FORMAT = 'object-format=sha1';

const OID = /^[0-9a-f]{40}$/;
const GIT_PROTOCOL = /^[\w=:.-]{1,64}$/;

export function isOid(text: string): boolean {
  return OID.test(text);
}

/** The version a `Git-Protocol` header asks for: the highest it names that we speak, 0 when it is absent or odd. */
export function protocolVersion(header: string | undefined): ProtocolVersion {
  if (header === undefined || !GIT_PROTOCOL.test(header)) return 0;
  const keys = header.split(':');
  if (keys.includes('version=2')) return 2;
  return keys.includes('version=1') ? 1 : 0;
}

/** What upload-pack is to see as GIT_PROTOCOL for a version. */
export function gitProtocol(version: ProtocolVersion): string | null {
  return version === 0 ? null : `version=${version}`;
}
