import type { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { BRANCH_PREFIX } from '../ref.js';
import { RefProjector } from '../ref-projector.js';
import { RefsRepository } from '../refs.repository.js';
import type { Repo } from '../repo.js';
import { RepoStorage } from '../repo-storage.js';
import { GitRunner } from '../runner/git-runner.js';
import { advertiseRefs, advertiseV2, needsRefs } from '../smart-http/advertisement.js';
import type { GitService, ProtocolVersion, RefListing } from '../smart-http/git-protocol.js';
import { serveFetch } from '../smart-http/serve-fetch.js';

/** What git clients read: the advertisement, the refs, and packs of what visible refs lead to (coregit.md §15). */
@Injectable()
export class FetchService {
  constructor(
    private readonly refs: RefsRepository,
    private readonly projector: RefProjector,
    private readonly storage: RepoStorage,
    private readonly runner: GitRunner,
  ) {}

  /** The answer to `info/refs`; version 2 needs no look at the repository. */
  async advertise(repo: Repo, service: GitService, version: ProtocolVersion): Promise<Buffer> {
    if (!needsRefs(service, version)) return advertiseV2();
    return advertiseRefs(service, version, await this.listing(repo));
  }

  /**
   * Answers a POST to git-upload-pack whose (inflated) body is `body`; breaking off the answer stops git. A want the
   * caller may not have is an error in git's own format. @throws invalid_input, payload_too_large, unavailable, timeout
   */
  async serve(repo: Repo, body: Readable, version: ProtocolVersion, signal: AbortSignal): Promise<Readable> {
    const listing = await this.listing(repo);
    // upload-pack reads the refs on disk for include-tag and deepen-not.
    await this.projector.catchUp(repo.id);
    // Whoever reads a repository sees all of its branches and tags; the other refs are the server's own.
    const scope = { repo: this.storage.directoryOf(repo), listing, limited: false };
    return serveFetch(this.runner, scope, body, { version, signal });
  }

  private async listing(repo: Repo): Promise<RefListing> {
    return { refs: await this.refs.listVisible(repo.id), defaultBranch: BRANCH_PREFIX + repo.defaultBranch };
  }
}
