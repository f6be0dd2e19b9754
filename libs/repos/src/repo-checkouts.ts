import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import { AppConfig, holdsScope, Outbound, type Principal } from '#platform';
import { GitReposService } from './git-http/git-repos.service.js';
import { toGitAddress } from './http/repo-address.js';
import { RefProjector } from './ref-projector.js';
import { repoNotFound } from './repo.js';
import { RepoStorage } from './repo-storage.js';
import { GitRunner } from './runner/git-runner.js';
import type { CheckedOut, CheckOut, CheckOutSource } from './runner/operations.js';

export type CheckOutRequest = Omit<CheckOut, 'source'>;

/** Copies repositories into workspaces: this server's by a local transfer, others over https. */
@Injectable()
export class RepoCheckouts {
  constructor(
    private readonly repos: GitReposService,
    private readonly projector: RefProjector,
    private readonly storage: RepoStorage,
    private readonly runner: GitRunner,
    private readonly outbound: Outbound,
    private readonly config: AppConfig,
  ) {}

  /**
   * What an address stands for, once it is sure that the caller may read it. Another server sees no credential of ours,
   * and is only called where it is public. Errors: `not_found`, `forbidden`, `invalid_input` (`address_not_allowed`),
   * `upstream_failed`.
   */
  async sourceOf(caller: Principal, address: string): Promise<CheckOutSource> {
    const url = new URL(address);
    if (url.origin !== new URL(this.config.publicUrl).origin)
      return { kind: 'remote', url: url.href, addresses: await this.outbound.addressesOf(url) };
    const named = toGitAddress(url.pathname);
    if (!named) throw repoNotFound();
    if (!holdsScope(caller, 'repos:read'))
      throw new DomainError('forbidden', 'The key may not read repositories: it lacks repos:read');
    const repo = await this.repos.open(caller, named, 'git-upload-pack');
    await this.projector.catchUp(repo.id);
    return { kind: 'hosted', repo: this.storage.directoryOf(repo) };
  }

  /** Into an empty directory, which is the caller's to remove on failure. Errors: those of `GitRunner.checkOut`. */
  checkOut(request: CheckOutRequest, source: CheckOutSource | null, signal: AbortSignal): Promise<CheckedOut> {
    return this.runner.checkOut({ ...request, source }, signal);
  }
}
