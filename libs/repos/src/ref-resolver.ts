import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import { BRANCH_PREFIX, type Ref, shortRefName, TAG_PREFIX } from './ref.js';
import { MAX_NAME } from './ref-names.js';
import { RefsRepository } from './refs.repository.js';
import type { Repo } from './repo.js';
import { RepoStorage } from './repo-storage.js';
import { GitStore } from './store/git-store.js';

export interface ResolvedRef {
  /** The commit it means. */
  readonly commit: string;
  /** Short name or sha, for echoing. */
  readonly name: string;
  /** True when it was named by full sha, i.e. can never mean anything else. */
  readonly isImmutable: boolean;
}

export interface ResolvedPath extends ResolvedRef {
  /** What follows the ref in the URL, '' for the root. */
  readonly path: string;
}

const FULL_SHA = /^[0-9a-f]{40}$/i;
const SHORT_SHA = /^[0-9a-f]{4,39}$/i;

/** Names to commits: `HEAD`, branch, tag (peeled), sha, in this order (coregit.md §4.8, §8.1). */
@Injectable()
export class RefResolver {
  constructor(
    private readonly refs: RefsRepository,
    private readonly store: GitStore,
    private readonly storage: RepoStorage,
  ) {}

  /** Null or '' is the default branch; `refs/heads/x` and `refs/tags/x` are understood. Errors: `not_found`. */
  async resolve(repo: Repo, name: string | null): Promise<ResolvedRef> {
    const wanted = name === null || name === '' || name === 'HEAD' ? repo.defaultBranch : name;
    const refs = await this.refs.findAny(repo.id, candidates(wanted));
    const ref = pick(refs, wanted);
    if (ref) return { commit: await this.commitOf(repo, ref), name: wanted, isImmutable: false };
    return this.resolveSha(repo, wanted);
  }

  /** The commit of the default branch, or null when it has none. */
  async findHead(repo: Repo): Promise<string | null> {
    return (await this.refs.find(repo.id, BRANCH_PREFIX + repo.defaultBranch))?.sha ?? null;
  }

  /**
   * Splits `<ref>/<path>`: the longest existing ref name among the leading segments wins, a branch before a tag of
   * the same length, a sha last. Names with slashes therefore work everywhere.
   */
  async resolvePath(repo: Repo, rest: string): Promise<ResolvedPath> {
    const segments = rest.split('/');
    const first = segments[0] ?? '';
    if (first === '' && segments.length === 1) return { ...(await this.resolve(repo, null)), path: '' };
    const prefixes = leadingNames(segments);
    const found = await this.refs.findAny(repo.id, prefixes.flatMap(candidates));
    for (const prefix of prefixes.toReversed()) {
      const ref = pick(found, prefix);
      if (ref)
        return {
          commit: await this.commitOf(repo, ref),
          name: prefix,
          isImmutable: false,
          path: rest.slice(prefix.length + 1),
        };
    }
    const path = rest.slice(first.length + 1);
    if (first === 'HEAD' || first === '') return { ...(await this.resolve(repo, null)), path };
    return { ...(await this.resolveSha(repo, first)), path };
  }

  /** The full sha an id means: itself in lower case, or the only object of that prefix; null otherwise. */
  async completeSha(repo: Repo, id: string): Promise<string | null> {
    if (FULL_SHA.test(id)) return id.toLowerCase();
    if (!SHORT_SHA.test(id)) return null;
    const found = await this.store.resolvePrefix(this.storage.directoryOf(repo), id.toLowerCase());
    return found === 'ambiguous' ? null : found;
  }

  private async resolveSha(repo: Repo, name: string): Promise<ResolvedRef> {
    const sha = FULL_SHA.test(name) ? name.toLowerCase() : null;
    const target = sha === null ? null : await this.store.peel(this.storage.directoryOf(repo), sha);
    if (sha === null || target?.peeledType !== 'commit') throw new DomainError('not_found', 'Ref not found');
    return { commit: target.peeled, name: sha, isImmutable: true };
  }

  private async commitOf(repo: Repo, ref: Ref): Promise<string> {
    if (ref.peeled !== null) return ref.peeled;
    if (ref.name.startsWith(BRANCH_PREFIX)) return ref.sha;
    const target = await this.store.peel(this.storage.directoryOf(repo), ref.sha);
    if (target?.peeledType !== 'commit')
      throw new DomainError('not_found', `'${shortRefName(ref.name)}' does not point to a commit`);
    return target.peeled;
  }
}

/** `a`, `a/b`, `a/b/c`, …, as long as a ref could be called so. */
function leadingNames(segments: readonly string[]): string[] {
  const names: string[] = [];
  for (let name = ''; names.length < segments.length;) {
    name = names.length === 0 ? (segments[0] ?? '') : `${name}/${segments[names.length] ?? ''}`;
    if (name.length > BRANCH_PREFIX.length + MAX_NAME) break;
    names.push(name);
  }
  return names;
}

function candidates(name: string): string[] {
  return [BRANCH_PREFIX + name, TAG_PREFIX + name, ...(/^refs\/(heads|tags)\//.test(name) ? [name] : [])];
}

function pick(refs: readonly Ref[], name: string): Ref | undefined {
  const byName = (full: string): Ref | undefined => refs.find((ref) => ref.name === full);
  return (
    byName(BRANCH_PREFIX + name) ?? byName(TAG_PREFIX + name) ?? (name.startsWith('refs/') ? byName(name) : undefined)
  );
}
