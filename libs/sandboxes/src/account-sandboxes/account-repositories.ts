import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import { AppConfig, Database, holdsScope, type Principal } from '#platform';
import { type Repo, RepoCreation, ReposService } from '#repos';
import { AccountHomesRepository } from './account-homes.repository.js';

const SLUG = 'personal';
const OVERTAKEN = 'repository_made';
const ATTEMPTS = 4;

/** The one repository that was made for an account's own work, private and hosted here. */
@Injectable()
export class AccountRepositories {
  constructor(
    private readonly db: Database,
    private readonly homes: AccountHomesRepository,
    private readonly creation: RepoCreation,
    private readonly repos: ReposService,
    private readonly config: AppConfig,
  ) {}

  /** Null before it was made, and once it was deleted. */
  async find(caller: Principal): Promise<Repo | null> {
    const { repoId } = await this.homes.find(caller.accountId);
    return repoId === null ? null : this.repos.findOwn(caller, repoId);
  }

  urlOf({ accountSlug }: Principal, { namespace, slug }: Repo): string {
    return [this.config.publicUrl, accountSlug, ...(namespace === null ? [] : [namespace]), `${slug}.git`].join('/');
  }

  /**
   * Does something with it in one transaction: that which makes it, when it is not there yet. Of calls at the same time
   * one makes it. A repository that the account itself has called `personal` stays its own business. Errors: `forbidden`
   * for a key that may not make one; `quota_exceeded`; `upstream_failed` when it cannot be made; those of `effect`.
   */
  async use<Result>(caller: Principal, effect: (repo: Repo) => Promise<Result>): Promise<Result> {
    for (let attempt = 1; ; attempt += 1) {
      const there = await this.find(caller);
      if (there) return this.db.transaction(() => effect(there));
      if (!holdsScope(caller, 'repos:write'))
        throw new DomainError('forbidden', 'The key may not make repositories: it lacks repos:write');
      const slug = attempt === 1 ? SLUG : `${SLUG}-${randomBytes(4).toString('hex')}`;
      try {
        return await this.make(caller, slug, effect);
      } catch (error) {
        if (attempt === ATTEMPTS || !isOvertaken(error)) throw asNotMade(error);
      }
    }
  }

  private make<Result>(caller: Principal, slug: string, effect: (repo: Repo) => Promise<Result>): Promise<Result> {
    const description = 'Work of this account in sandboxes';
    const kind = { defaultBranch: 'main', visibility: 'private', isTemplate: false, init: true } as const;
    return this.creation.createWith(caller, { namespace: null, slug, description, ...kind }, async (repo) => {
      if (await this.homes.setRepo(caller.accountId, repo.id)) return effect(repo);
      throw new DomainError('conflict', 'The repository was made meanwhile', { reason: OVERTAKEN });
    });
  }
}

/** Another call was faster, or the name is taken by a repository of another purpose. */
function isOvertaken(error: unknown): boolean {
  if (!(error instanceof DomainError) || error.code !== 'conflict') return false;
  return error.reason === OVERTAKEN || error.field === 'slug';
}

/** What the caller can do something about is told as it is. */
function asNotMade(error: unknown): DomainError {
  if (error instanceof DomainError && error.status < 500) return error;
  return new DomainError('upstream_failed', 'Failed to provision workspace repository', { cause: error });
}
