import { Readable } from 'node:stream';
import type { GitRunner } from '../runner/git-runner.js';
import type { FetchRequest } from './fetch-request.js';
import { gitProtocol, type ProtocolVersion, type RefListing } from './git-protocol.js';
import { lsRefs } from './ls-refs.js';
import { fetchErrorReply, NO_WANTS_REPLY, readUploadPackRequest, refusedWantReply } from './upload-pack-request.js';

/** What a caller may fetch from. */
export interface FetchScope {
  readonly repo: string;
  /** The refs the caller may see. */
  readonly listing: RefListing;
  /** Whether that is less than all there is: no object but commits and tags can then be asked for by id. */
  readonly limited: boolean;
}

/**
 * Answers a POST to git-upload-pack (contract 15.3); the body is `application/x-git-upload-pack-result`. Breaking off
 * the returned stream stops git. A want the caller may not have is an error in git's own format.
 * @throws invalid_input, payload_too_large, unavailable, timeout
 */
export async function serveFetch(
  runner: GitRunner,
  scope: FetchScope,
  body: Readable,
  facts: { version: ProtocolVersion; encoding?: string | undefined; signal?: AbortSignal },
): Promise<Readable> {
  const asked = await readUploadPackRequest(body, facts);
  if (asked.kind === 'empty') return oneChunk(NO_WANTS_REPLY);
  if (asked.kind === 'ls-refs') return oneChunk(lsRefs(asked.request, scope.listing));
  const { request } = asked;
  const hidden = hiddenDeepenNot(request, scope);
  if (hidden !== null) return oneChunk(fetchErrorReply(`upload-pack: deepen-not ${hidden} is not a ref`));
  const { refused } = await runner.checkWants(
    {
      repo: scope.repo,
      tips: scope.listing.refs.map((ref) => ref.sha),
      wants: request.wants,
      allowObjects: !scope.limited,
    },
    facts.signal,
  );
  if (refused[0] !== undefined) return oneChunk(refusedWantReply(refused[0]));
  return runner.uploadPack(
    { repo: scope.repo, protocol: gitProtocol(request.version) },
    request.toGit({ limited: scope.limited }),
    facts.signal,
  );
}

/** git resolves `deepen-not` against every ref on disk, the server's own included; a caller may name those it sees. */
function hiddenDeepenNot(request: FetchRequest, { listing }: FetchScope): string | null {
  if (request.deepenNot.length === 0) return null;
  const visible = new Set(['HEAD', ...listing.refs.flatMap(({ name }) => spellings(name))]);
  return request.deepenNot.find((name) => !visible.has(name)) ?? null;
}

/** How a ref may be named: in full, without `refs/`, and by its short name. */
function spellings(name: string): string[] {
  return [name, name.replace(/^refs\//, ''), name.replace(/^refs\/(heads|tags)\//, '')];
}

function oneChunk(bytes: Buffer): Readable {
  return Readable.from([bytes], { objectMode: false });
}
