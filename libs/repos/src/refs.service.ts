import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import { Audit, Database, type Principal, SessionWrites } from '#platform';
import { BRANCH_PREFIX, type Ref, TAG_PREFIX } from './ref.js';
import { isValidBranchName, isValidRefName } from './ref-names.js';
import { RefsRepository, VISIBLE_PREFIXES } from './refs.repository.js';
import { refOutcomeError, RefWriter } from './ref-writer.js';
import type { Repo } from './repo.js';
import { RepoStorage } from './repo-storage.js';
import { GitStore } from './store/git-store.js';

export interface RefPage {
  readonly refs: readonly Ref[];
  readonly total: number;
  /** Full name of the last ref when a next page exists. */
  readonly next: string | null;
}

export interface PutRef {
  readonly sha: string;
  /** Where the ref must be now; forty zeros demand that it does not exist; null does not look. */
  readonly expected: string | null;
}

const SHA = /^[0-9a-f]{40}$/;
const ZERO_SHA = '0'.repeat(40);

/** Branches and tags (coregit.md §6.1, §7). */
@Injectable()
export class RefsService {
  constructor(
    private readonly db: Database,
    private readonly refs: RefsRepository,
    private readonly writer: RefWriter,
    private readonly store: GitStore,
    private readonly storage: RepoStorage,
    private readonly audit: Audit,
    private readonly sessionWrites: SessionWrites,
  ) {}

  /** Branches, then tags, each in byte order; `after` is the full name the page before ended with. */
  async list(repo: Repo, after: string | null, limit: number): Promise<RefPage> {
    const found: Ref[] = [];
    for (const prefix of VISIBLE_PREFIXES) {
      if (found.length > limit || (after !== null && after > prefix && !after.startsWith(prefix))) continue;
      found.push(...(await this.refs.page(repo.id, prefix, after, limit - found.length)));
    }
    return this.toPage(found, limit, await this.total(repo, VISIBLE_PREFIXES));
  }

  async listBranches(repo: Repo, after: string | null, limit: number): Promise<RefPage> {
    const found = await this.refs.page(repo.id, BRANCH_PREFIX, after === null ? null : BRANCH_PREFIX + after, limit);
    return this.toPage(found, limit, await this.total(repo, [BRANCH_PREFIX]));
  }

  /** Errors: `not_found`. */
  async getBranch(repo: Repo, name: string): Promise<Ref> {
    const ref = await this.refs.find(repo.id, BRANCH_PREFIX + name);
    if (!ref) throw new DomainError('not_found', 'Branch not found');
    return ref;
  }

  /** A new branch at `fromSha`, else at branch `from`, else at the default branch. Create-if-absent. */
  async createBranch(
    caller: Principal,
    repo: Repo,
    input: { name: string; from: string | null; fromSha: string | null },
  ): Promise<Ref> {
    if (!isValidBranchName(input.name)) throw new DomainError('bad_request', 'Invalid branch name', { field: 'name' });
    const sha =
      input.fromSha === null ? await this.sourceOf(repo, input.from) : await this.commitNamed(repo, input.fromSha);
    const name = BRANCH_PREFIX + input.name;
    await this.db.transaction(async (tx) => {
      const outcome = await this.writer.apply(tx, repo, { name, expected: null, target: { sha, peeled: null } });
      if (outcome === 'moved') throw new DomainError('conflict', `Branch '${input.name}' already exists`);
      if (outcome !== 'done') throw refOutcomeError(outcome, name);
      await this.record(caller, 'branch.create', repo, { name, sha });
    });
    return { name, sha, peeled: null };
  }

  /** Errors: `bad_request` for the default branch, `not_found`. */
  async deleteBranch(caller: Principal, repo: Repo, name: string): Promise<void> {
    const deleted = await this.remove(caller, repo, BRANCH_PREFIX + name, 'branch.delete');
    if (!deleted) throw new DomainError('not_found', 'Branch not found');
  }

  /** Errors: `not_found` naming the ref. */
  async get(repo: Repo, name: string): Promise<Ref> {
    const ref = isValidRefName(name) ? await this.refs.find(repo.id, name) : null;
    if (!ref) throw new DomainError('not_found', `Ref '${name}' not found`);
    return ref;
  }

  /** Creates or moves a ref, also backwards; answers where it was before. 409 carries `current_sha`. */
  async put(caller: Principal, repo: Repo, name: string, input: PutRef): Promise<{ previous: string | null }> {
    if (!isValidRefName(name)) {
      throw new DomainError('bad_request', 'Invalid ref path. Must be refs/heads/* or refs/tags/*', { field: 'ref' });
    }
    const peeled = await this.peelTarget(repo, name, input);
    return this.db.transaction(async (tx) => {
      const before = await this.findForWrite(repo, name);
      this.assertExpected(name, before, input.expected);
      const target = { sha: input.sha, peeled };
      const outcome = await this.writer.apply(tx, repo, { name, expected: before?.sha ?? null, target });
      if (outcome !== 'done') throw refOutcomeError(outcome, name);
      await this.record(caller, 'ref.update', repo, { name, sha: input.sha, previous: before?.sha ?? null });
      return { previous: before?.sha ?? null };
    });
  }

  /** Errors: `bad_request` for the default branch, `not_found`. Answers where the ref was. */
  async delete(caller: Principal, repo: Repo, name: string): Promise<Ref> {
    const deleted = await this.remove(caller, repo, name, 'ref.delete');
    if (!deleted) throw new DomainError('not_found', `Ref '${name}' not found`);
    return deleted;
  }

  private async remove(caller: Principal, repo: Repo, name: string, action: string): Promise<Ref | null> {
    if (!isValidRefName(name)) return null;
    return this.db.transaction(async (tx) => {
      // Locked, so that the default cannot become this branch meanwhile.
      if (!(await this.refs.lockRepo(repo.id))) throw refOutcomeError('gone', name);
      if (name === BRANCH_PREFIX + (await this.refs.findDefaultBranch(repo.id)))
        throw new DomainError('bad_request', 'Cannot delete the default branch');
      const ref = await this.refs.findLocked(repo.id, name);
      if (!ref) return null;
      const outcome = await this.writer.apply(tx, repo, { name, expected: ref.sha, target: null });
      if (outcome !== 'done') throw refOutcomeError(outcome, name);
      await this.record(caller, action, repo, { name, sha: ref.sha });
      return ref;
    });
  }

  /** The ref as it stays until the transaction ends; null when its name is free, and stays free. */
  private async findForWrite(repo: Repo, name: string): Promise<Ref | null> {
    const present = await this.refs.findLocked(repo.id, name);
    if (present) return present;
    if (!(await this.refs.lockRepo(repo.id))) throw refOutcomeError('gone', name);
    return this.refs.findLocked(repo.id, name);
  }

  private async peelTarget(repo: Repo, name: string, input: PutRef): Promise<string | null> {
    if (!SHA.test(input.sha))
      throw new DomainError('bad_request', 'Valid 40-char hex SHA is required', { field: 'sha' });
    if (input.expected !== null && !SHA.test(input.expected)) {
      throw new DomainError('bad_request', 'Invalid expected_sha format', { field: 'expected_sha' });
    }
    const target = await this.store.peel(this.storage.directoryOf(repo), input.sha);
    if (!target) throw new DomainError('not_found', `Object '${input.sha}' not found`);
    if (name.startsWith(BRANCH_PREFIX) && target.type !== 'commit') {
      throw new DomainError('unprocessable', 'A branch must point to a commit', { field: 'sha' });
    }
    return target.type === 'tag' ? target.peeled : null;
  }

  private assertExpected(name: string, before: Ref | null, expected: string | null): void {
    if (expected === null) return;
    if (expected === ZERO_SHA) {
      if (before) throw moved(before.sha);
    } else if (!before) {
      throw new DomainError('not_found', `Ref '${name}' not found (cannot CAS a non-existent ref)`);
    } else if (before.sha !== expected) {
      throw moved(before.sha);
    }
  }

  private async sourceOf(repo: Repo, from: string | null): Promise<string> {
    const branch = from ?? repo.defaultBranch;
    const ref = await this.refs.find(repo.id, BRANCH_PREFIX + branch);
    if (!ref) throw new DomainError('not_found', `Source branch '${branch}' not found`);
    return ref.sha;
  }

  private async commitNamed(repo: Repo, sha: string): Promise<string> {
    if (!SHA.test(sha)) throw new DomainError('bad_request', 'Invalid from_sha format', { field: 'from_sha' });
    const target = await this.store.peel(this.storage.directoryOf(repo), sha);
    if (!target) throw new DomainError('not_found', 'from_sha not found');
    if (target.peeledType !== 'commit')
      throw new DomainError('unprocessable', 'from_sha is not a commit', { field: 'from_sha' });
    return target.peeled;
  }

  private async record(caller: Principal, action: string, repo: Repo, facts: Record<string, unknown>): Promise<void> {
    await this.audit.record(caller, action, { accountId: repo.accountId, kind: 'repo', id: repo.id }, facts);
    await this.sessionWrites.noteFor(caller, { repoId: repo.id, objects: 0, refs: 1 });
  }

  private async total(repo: Repo, prefixes: readonly string[]): Promise<number> {
    let total = 0;
    for (const prefix of prefixes) total += await this.refs.count(repo.id, prefix);
    return total;
  }

  private toPage(found: readonly Ref[], limit: number, total: number): RefPage {
    const refs = found.slice(0, limit);
    return { refs, total, next: found.length > limit ? (refs.at(-1)?.name ?? null) : null };
  }
}

/** The tag namespace is exported for listings that split branches from tags. */
export const isTagRef = (ref: Ref): boolean => ref.name.startsWith(TAG_PREFIX);

function moved(currentSha: string): DomainError {
  return new DomainError('conflict', 'Ref was updated concurrently (expected_sha mismatch)', {
    details: { current_sha: currentSha },
  });
}
