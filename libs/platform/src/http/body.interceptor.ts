import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor, SetMetadata } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request } from 'express';
import { type Observable } from 'rxjs';
import { AppConfig } from '../config/app-config.js';
import { dialectOf } from './dialects.js';
import { hasBody, readBody } from './request-body.js';

/** How a route wants its body. */
interface BodyRule {
  readonly form: 'json' | 'lenient-json' | 'buffer' | 'stream';
  readonly limit?: (config: AppConfig) => number;
}

const BODY_RULE = 'roundhouse:body-rule';
const DEFAULT_LIMIT = 1_048_576;

/** The handler reads the raw request itself. */
export const StreamBody = (): MethodDecorator => SetMetadata(BODY_RULE, { form: 'stream' } satisfies BodyRule);

/** `request.body` is the unparsed Buffer; it is parsed elsewhere (a worker), within `limit` bytes. */
export const BufferBody = (limit: (config: AppConfig) => number): MethodDecorator =>
  SetMetadata(BODY_RULE, { form: 'buffer', limit } satisfies BodyRule);

/** A missing or malformed JSON body counts as `{}`. */
export const LenientBody = (): MethodDecorator => SetMetadata(BODY_RULE, { form: 'lenient-json' } satisfies BodyRule);

/** Reads the body after access was granted, under the route's own limit; JSON up to 1 MiB unless declared. */
@Injectable()
export class BodyInterceptor implements NestInterceptor {
  constructor(
    private readonly reflector: Reflector,
    private readonly config: AppConfig,
  ) {}

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const request = context.switchToHttp().getRequest<Request>();
    const rule = this.reflector.get<BodyRule | undefined>(BODY_RULE, context.getHandler()) ?? { form: 'json' };
    request.body = await this.read(request, rule);
    return next.handle();
  }

  private async read(request: Request, rule: BodyRule): Promise<unknown> {
    if (rule.form === 'stream') return undefined;
    const wanted = rule.form === 'buffer' || hasBody(request);
    if (!wanted || request.method === 'GET' || request.method === 'HEAD') return undefined;
    const bytes = await readBody(request, rule.limit?.(this.config) ?? DEFAULT_LIMIT);
    if (rule.form === 'buffer') return bytes;
    if (rule.form === 'lenient-json') return parseLeniently(bytes);
    return bytes.length === 0 ? undefined : parseJson(request, bytes);
  }
}

function parseJson(request: Request, bytes: Buffer): unknown {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    const position = /position (\d+)/.exec(error instanceof Error ? error.message : '')?.[1];
    throw dialectOf(request).malformedJson(Number(position ?? 0));
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw dialectOf(request).malformedJson(0);
  return value;
}

function parseLeniently(bytes: Buffer): unknown {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}
