import { Injectable } from '@nestjs/common';
import { AccountsService } from '#accounts';
import { DomainError } from '#kernel';
import { holdsScope, type Principal } from '#platform';
import { type Repo, type RepoAddress, repoNotFound } from '../repo.js';
import { ReposRepository } from '../repos.repository.js';
import type { GitService } from '../smart-http/git-protocol.js';

/** Where a git URL points. */
export interface GitAddress {
  /** Slug of the account that owns the repository. */
  readonly account: string;
  readonly repo: RepoAddress;
}

/** Which repository a git client reaches (coregit.md §2.5): its own account's, and to read, everyone's public ones. */
@Injectable()
export class GitReposService {
  constructor(
    private readonly accounts: AccountsService,
    private readonly repos: ReposRepository,
  ) {}

  /**
   * The repository `address` names, if `caller` (null: anonymous) may use `service` on it. Anonymous callers are asked
   * for a credential whether or not it exists; to the others a private repository of another account does not exist.
   * @throws unauthorized, forbidden, not_found
   */
  async open(caller: Principal | null, address: GitAddress, service: GitService): Promise<Repo> {
    const isPush = service === 'git-receive-pack';
    if (isPush) assertMayPush(caller);
    const isNamed = caller?.accountSlug === address.account;
    const owner = isNamed ? caller.accountId : (await this.accounts.findBySlug(address.account))?.id;
    // By the account and not by its slug: remotes written down before a renaming keep working.
    const isOwn = caller !== null && caller.accountId === owner;
    const repo = owner === undefined ? null : await this.repos.find(owner, address.repo);
    if (repo && isOwn) return repo;
    if (repo?.visibility !== 'public') throw caller ? repoNotFound() : credentialNeeded();
    if (isPush) throw noWriteAccess();
    return repo;
  }
}

function assertMayPush(caller: Principal | null): void {
  if (!caller) throw credentialNeeded();
  if (!holdsScope(caller, 'repos:write')) throw noWriteAccess();
}

function credentialNeeded(): DomainError {
  return new DomainError('unauthorized', 'Authentication required');
}

function noWriteAccess(): DomainError {
  return new DomainError('forbidden', 'Token does not have write access to this repository');
}
