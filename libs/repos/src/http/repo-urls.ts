import { Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { AppConfig, type Principal } from '#platform';
import type { RepoAddress } from '../repo.js';
import type { RepoUrls as Urls } from './v1-repos.dto.js';

/** Builds git_url and api_url from PUBLIC_URL, or from the host the client called. */
@Injectable()
export class RepoUrls {
  constructor(private readonly config: AppConfig) {}

  of(request: Request, caller: Principal, repo: RepoAddress): Urls {
    const base = (this.config.PUBLIC_URL ?? `${request.protocol}://${request.get('host') ?? 'localhost'}`).replace(
      /\/$/,
      '',
    );
    const path = repo.namespace === null ? repo.slug : `${repo.namespace}/${repo.slug}`;
    return { git: `${base}/${caller.accountSlug}/${path}.git`, api: `${base}/v1/repos/${path}` };
  }
}
