import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';
import { DomainError } from '#kernel';
import type { Principal } from './principal.js';

const principals = new WeakMap<Request, Principal>();

export function setPrincipal(request: Request, principal: Principal): void {
  principals.set(request, principal);
}

export function principalOf(request: Request): Principal | undefined {
  return principals.get(request);
}

/** The authenticated principal; on routes that admit anonymous callers use @MaybeCaller(). */
export const Caller = createParamDecorator((_: unknown, context: ExecutionContext): Principal => {
  const principal = principals.get(context.switchToHttp().getRequest<Request>());
  if (!principal) throw new DomainError('unauthorized', 'Missing API key. Set x-api-key header.');
  return principal;
});

/** The authenticated principal, or null for an anonymous caller. */
export const MaybeCaller = createParamDecorator(
  (_: unknown, context: ExecutionContext): Principal | null =>
    principals.get(context.switchToHttp().getRequest<Request>()) ?? null,
);
