import type { NextFunction, Request, Response } from 'express';
import { pathOf } from '#platform';
import type { GitAddress } from '../git-http/git-repos.service.js';
import type { RepoAddress } from '../repo.js';
import { TAIL_WORDS } from '../slugs.js';

const addresses = new WeakMap<Request, RepoAddress>();
const REST_PREFIX = '/v1/repos/';
/** Routes whose rest is the caller's path: an empty one is the same as none, while other routes end without a slash. */
const EMPTY_REST = /^([^/]+\/(?:tree|blob|raw|refs))\/$/;
const GIT_PATH = /^\/([^/]+)\/(?:([^/]+)\/)?([^/]+)\.git(\/.*)?$/;

/**
 * Resolves both forms of a repository's address before the router, so that each handler is declared once:
 * `/v1/repos/[ns/]slug/tail` becomes `/v1/repos/slug/tail`, `/account/[ns/]slug.git/tail` becomes
 * `/account/slug.git/tail`. A second segment that is a tail word decides for the short form (coregit.md §1.6). What is
 * no address has no route either.
 */
export function resolveRepoAddress(request: Request, _response: Response, next: NextFunction): void {
  const path = pathOf(request.url);
  if (path.startsWith(REST_PREFIX)) {
    const resolved = resolveRest(path.slice(REST_PREFIX.length));
    if (!resolved) return next();
    addresses.set(request, resolved.address);
    request.url = REST_PREFIX + resolved.rest.replace(EMPTY_REST, '$1') + request.url.slice(path.length);
  } else {
    resolveGit(request, path);
  }
  next();
}

/** Where a path of this server's points that a git client may clone from, with or without `.git`; null for any other. */
export function toGitAddress(path: string): GitAddress | null {
  const [match, account, namespace, slug] = GIT_PATH.exec(path.replace(/(?:\.git)?\/?$/, '.git')) ?? [];
  if (!match || !account || !slug) return null;
  const [owner, space, name] = [account, namespace, slug].map((text) => text && decoded(text));
  if (!owner || !name || space === null) return null;
  return { account: owner, repo: { namespace: space ?? null, slug: name } };
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return null;
    throw error;
  }
}

/** The address of the repository a request names, or null when it names none. */
export function findRepoAddress(request: Request): RepoAddress | null {
  return addresses.get(request) ?? null;
}

/** The address of the repository a request names. */
export function repoAddressOf(request: Request): RepoAddress {
  const address = findRepoAddress(request);
  if (!address) throw new Error(`${request.path} names no repository`);
  return address;
}

function resolveRest(tail: string): { address: RepoAddress; rest: string } | null {
  const [first = '', second, ...others] = tail.split('/');
  if (first === '') return null;
  if (second === undefined || TAIL_WORDS.has(second)) {
    return { address: { namespace: null, slug: decodeURIComponent(first) }, rest: tail };
  }
  if (second === '') return null;
  const address = { namespace: decodeURIComponent(first), slug: decodeURIComponent(second) };
  return { address, rest: [second, ...others].join('/') };
}

function resolveGit(request: Request, path: string): void {
  const [match, account, namespace, slug, tail = ''] = GIT_PATH.exec(path) ?? [];
  if (!match || !account || !slug || account === 'v1' || account === 'api') return;
  addresses.set(request, {
    namespace: namespace === undefined ? null : decodeURIComponent(namespace),
    slug: decodeURIComponent(slug),
  });
  request.url = `/${account}/${slug}.git${tail}${request.url.slice(path.length)}`;
}
