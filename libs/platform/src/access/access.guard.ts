import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request } from 'express';
import { DomainError } from '#kernel';
import { Audit } from '../audit/audit.js';
import { dialectOf } from '../http/dialects.js';
import { loggedPath } from '../http/logged-path.js';
import { RateLimits } from '../limits/rate-limits.js';
import { CallUsage } from '../usage/call-usage.js';
import { ACCESS_RULE, type AccessRule, type PinnedSessionUse } from './access-rule.js';
import { Authenticator } from './authenticator.js';
import { setPrincipal } from './caller.js';
import { withPatience } from './patience.js';
import { holdsScope, type Principal } from './principal.js';

/**
 * The global gate: identity, rate limit, then the route's rule. A route without a rule is denied (and boot fails
 * before that). Denials of identified callers are audited here, because no later stage sees them.
 */
@Injectable()
export class AccessGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly authenticator: Authenticator,
    private readonly limits: RateLimits,
    private readonly audit: Audit,
    private readonly usage: CallUsage,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<Request>();
    const rule = this.reflector.getAllAndOverride<AccessRule | undefined>(ACCESS_RULE, [
      context.getHandler(),
      context.getClass(),
    ]);
    if (!rule) throw new DomainError('forbidden', 'This route is not open to anyone');
    if (rule.kind === 'public') {
      await this.limits.admitAnonymous(request);
      return true;
    }
    const principal = await withPatience(this.identify(request, rule));
    if (!principal) {
      if (admitsAnonymous(rule)) {
        await this.limits.admitAnonymous(request);
        return true;
      }
      throw dialectOf(request).missingCredential(request.headers.authorization !== undefined);
    }
    await this.limits.admit(request, principal);
    this.usage.countCall(request, principal);
    const denial = findDenial(rule, principal);
    if (denial) {
      await this.audit.denied(principal, { rule: rule.kind, route: `${request.method} ${loggedPath(request.path)}` });
      throw denial;
    }
    setPrincipal(request, principal);
    return true;
  }

  private async identify(request: Request, rule: AccessRule): Promise<Principal | null> {
    await this.limits.assertNotGuessing(request);
    try {
      return await this.authenticator.authenticate(request, pinnedSessionUse(rule));
    } catch (error) {
      if (!(error instanceof DomainError) || error.code !== 'unauthorized') throw error;
      await this.limits.recordFailedAuth(request);
      // A git client sends whatever password it remembers; what is public stays open to it (coregit.md §2.5).
      if (rule.kind === 'scopes' && rule.anonymous && dialectOf(request).name === 'plain') return null;
      throw error;
    }
  }
}

function pinnedSessionUse(rule: AccessRule): PinnedSessionUse {
  return rule.kind === 'authenticated' ? rule.pinnedSession : 'accept';
}

/** Callers without a credential pass on to the resource, which decides. */
function admitsAnonymous(rule: AccessRule): boolean {
  return (
    (rule.kind === 'scopes' && rule.anonymous) || (rule.kind === 'authenticated' && rule.pinnedSession === 'capability')
  );
}

/** Why `principal` may not use a route with `rule`, or null when it may. */
function findDenial(rule: AccessRule, principal: Principal): DomainError | null {
  switch (rule.kind) {
    case 'public':
      return null;
    case 'authenticated':
      return principal.scopes.size > 0 ? null : insufficientScope([], principal);
    case 'user':
    case 'admin':
      if (principal.kind !== 'user_key') return serviceKeyNotAllowed(principal);
      if (!principal.scopes.has('*')) return insufficientScope(['*'], principal);
      if (rule.kind === 'admin' && !principal.isAdmin) return new DomainError('forbidden', 'Admin access required');
      return null;
    case 'scopes':
      return rule.scopes.every((scope) => holdsScope(principal, scope))
        ? null
        : insufficientScope(rule.scopes, principal);
  }
}

function insufficientScope(required: readonly string[], principal: Principal): DomainError {
  return new DomainError('forbidden', 'Insufficient permissions', {
    reason: 'insufficient_scope',
    details: { required: [...required].sort(), current: [...principal.scopes] },
  });
}

function serviceKeyNotAllowed(principal: Principal): DomainError {
  return new DomainError('forbidden', 'Service keys may not use this route', {
    reason: 'service_key_not_allowed',
    details: { service_key_name: principal.keyName },
  });
}
