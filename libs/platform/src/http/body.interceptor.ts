import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import type { Request } from 'express';
import { type Observable } from 'rxjs';
import { BodyReader } from './body-reader.js';
import { dialectOf } from './dialects.js';
import { currentContext } from './request-context.js';
import { ACCESS_GRANTED } from './request-events.js';

/** Puts the route's body, parsed as the route declares, into `request.body`. */
@Injectable()
export class BodyInterceptor implements NestInterceptor {
  constructor(private readonly bodies: BodyReader) {}

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const request = context.switchToHttp().getRequest<Request>();
    const { form } = this.bodies.ruleOf(context.getHandler());
    const bytes = await this.bodies.read(request, context.getHandler());
    if (form === 'lenient-json') request.body = parseLeniently(bytes ?? Buffer.alloc(0));
    else if (bytes === undefined || form === 'buffer') request.body = bytes;
    else request.body = bytes.length === 0 ? undefined : parseJson(request, bytes);
    const { method, path } = request;
    if (ACCESS_GRANTED.hasSubscribers) ACCESS_GRANTED.publish({ context: currentContext(), method, path });
    return next.handle();
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
