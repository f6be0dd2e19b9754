import { type CanActivate, createParamDecorator, type ExecutionContext, Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { DomainError } from '#kernel';
import { principalOf } from '#platform';
import type { Repo } from '../repo.js';
import { ReposService } from '../repos.service.js';
import { repoAddressOf } from './repo-address.js';

const repos = new WeakMap<Request, Repo>();

/** Looks up the repository a REST route names, inside the caller's account only: another tenant's answers 404. */
@Injectable()
export class RepoGuard implements CanActivate {
  constructor(private readonly service: ReposService) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<Request>();
    const caller = principalOf(request);
    if (!caller) throw new DomainError('unauthorized', 'Missing API key. Set x-api-key header.');
    repos.set(request, await this.service.get(caller, repoAddressOf(request)));
    return true;
  }
}

/** The repository of the route, found by RepoGuard. */
export const TheRepo = createParamDecorator((_: unknown, context: ExecutionContext): Repo => {
  const repo = repos.get(context.switchToHttp().getRequest<Request>());
  if (!repo) throw new Error('RepoGuard did not run on this route');
  return repo;
});
