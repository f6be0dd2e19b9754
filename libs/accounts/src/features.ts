import {
  applyDecorators,
  type CallHandler,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
  SetMetadata,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { ApiExtension } from '@nestjs/swagger';
import type { Request } from 'express';
import type { Observable } from 'rxjs';
import { DomainError } from '#kernel';
import { currentContext, principalOf } from '#platform';
import { EffectiveTier } from './entitlements/effective-tier.js';
import type { Feature } from './tiers.js';

const REQUIRED_FEATURE = 'roundhouse:required-feature';
/** OpenAPI's name of the feature a route belongs to. */
export const FEATURE_EXTENSION = 'x-required-feature';

type AnyMethod = (this: unknown, ...args: unknown[]) => unknown;

/**
 * The route belongs to a feature of the caller's plan. Asked after access and after the body was validated, right
 * before the handler: 401, 403 and 422 come first. May stand anywhere among a method's decorators.
 * Errors: `forbidden` with reason `upgrade_required` (sessionfs-2.md §2.4).
 */
export const RequiresFeature = (feature: Feature): MethodDecorator =>
  applyDecorators(gateHandler, SetMetadata(REQUIRED_FEATURE, feature), ApiExtension(FEATURE_EXTENSION, feature));

export function requiredFeatureOf(reflector: Reflector, handler: Parameters<Reflector['get']>[1]): Feature | undefined {
  return reflector.get<Feature | undefined>(REQUIRED_FEATURE, handler);
}

/** Tells a gated handler how to ask. Guards come too early and interceptors too: pipes run after all of them. */
@Injectable()
export class FeatureInterceptor implements NestInterceptor {
  constructor(
    private readonly reflector: Reflector,
    private readonly tiers: EffectiveTier,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const feature = requiredFeatureOf(this.reflector, context.getHandler());
    const request = currentContext();
    if (feature === undefined || !request) return next.handle();
    const caller = principalOf(context.switchToHttp().getRequest<Request>());
    request.beforeHandler = async () => {
      if (!caller) throw new DomainError('unauthorized', 'This feature needs an identified caller');
      await this.tiers.assertFeature(caller, feature);
    };
    return next.handle();
  }
}

/** Puts the question in front of the method; what other decorators said of the method is said of the gated one. */
function gateHandler(_target: object, name: string | symbol, descriptor: PropertyDescriptor): void {
  const method = descriptor.value as AnyMethod;
  const gated: AnyMethod = async function (...args) {
    const ask = currentContext()?.beforeHandler;
    // Called past the server's interceptors nobody can answer, and unasked nobody passes.
    if (!ask) throw new Error(`${String(name)} is gated and was called outside a request`);
    await ask();
    return method.apply(this, args);
  };
  for (const key of Reflect.getMetadataKeys(method) as unknown[]) {
    Reflect.defineMetadata(key, Reflect.getMetadata(key, method), gated);
  }
  Object.defineProperty(gated, 'name', { value: method.name });
  Object.defineProperty(gated, 'length', { value: method.length });
  descriptor.value = gated;
}
