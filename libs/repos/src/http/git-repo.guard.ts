import { type CanActivate, createParamDecorator, type ExecutionContext, Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { DomainError } from '#kernel';
import { principalOf } from '#platform';
import { GitReposService } from '../git-http/git-repos.service.js';
import { type Repo, repoNotFound } from '../repo.js';
import type { GitService } from '../smart-http/git-protocol.js';
import { findRepoAddress } from './repo-address.js';

interface Opened {
  readonly repo: Repo;
  readonly service: GitService;
}

const opened = new WeakMap<Request, Opened>();

/** Finds the repository and the service a git URL names, and whether the caller may use one on the other. */
@Injectable()
export class GitRepoGuard implements CanActivate {
  constructor(private readonly repos: GitReposService) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<Request>();
    const service = serviceOf(request);
    const repo = findRepoAddress(request);
    const account = request.params['account'];
    if (!repo || typeof account !== 'string') throw repoNotFound();
    const caller = principalOf(request) ?? null;
    opened.set(request, { repo: await this.repos.open(caller, { account, repo }, service), service });
    return true;
  }
}

/** The repository of the route, found by GitRepoGuard. */
export const GitRepo = createParamDecorator((_: unknown, context: ExecutionContext): Repo => openedBy(context).repo);

/** What the client wants of it: named by the route, or by the query of `info/refs`. */
export const TheGitService = createParamDecorator(
  (_: unknown, context: ExecutionContext): GitService => openedBy(context).service,
);

function openedBy(context: ExecutionContext): Opened {
  const found = opened.get(context.switchToHttp().getRequest<Request>());
  if (!found) throw new Error('GitRepoGuard did not run on this route');
  return found;
}

function serviceOf(request: Request): GitService {
  const name = request.path.endsWith('/info/refs') ? request.query['service'] : request.path.split('/').at(-1);
  if (name === 'git-upload-pack' || name === 'git-receive-pack') return name;
  throw new DomainError('invalid_input', 'Invalid or missing service parameter', { field: 'service' });
}
