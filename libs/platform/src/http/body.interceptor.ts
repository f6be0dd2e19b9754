import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import type { Request } from 'express';
import { type Observable } from 'rxjs';
import { DomainError } from '#kernel';
import { BodyReader } from './body-reader.js';
import { dialectOf } from './dialects.js';
import { tooDeepAt } from './json-depth.js';
import { currentContext } from './request-context.js';
import { ACCESS_GRANTED } from './request-events.js';
import { illFormedAt, type JsonPath } from './well-formed.js';

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
    else request.body = isBlank(bytes) ? undefined : parseJson(request, bytes);
    const { method, path } = request;
    if (ACCESS_GRANTED.hasSubscribers) ACCESS_GRANTED.publish({ context: currentContext(), method, path });
    return next.handle();
  }
}

/** A body of nothing but white space is no body (sandbox-sessions.md §A6.2). Looks no further than its first character. */
function isBlank(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d);
}

/** A JSON object. Errors: those of the surface for anything else. */
export function parseJson(request: Request, bytes: Buffer): object {
  const deep = tooDeepAt(bytes);
  if (deep !== null) throw dialectOf(request).malformedJson(deep);
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    value = JSON.parse(text);
  } catch (error) {
    const position = /position (\d+)/.exec(error instanceof Error ? error.message : '')?.[1];
    throw dialectOf(request).malformedJson(Number(position ?? 0));
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw dialectOf(request).malformedJson(0);
  const illFormed = illFormedAt(text, value);
  if (illFormed) throw notUnicode(illFormed);
  return value;
}

function parseLeniently(bytes: Buffer): unknown {
  if (tooDeepAt(bytes) !== null) return {};
  try {
    const text = bytes.toString('utf8');
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject && !illFormedAt(text, value) ? value : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

function notUnicode(path: JsonPath): DomainError {
  const field = path.join('.') || 'body';
  const msg = `${field} must be valid Unicode`;
  return new DomainError('invalid_input', msg, {
    field,
    details: { errors: [{ type: 'string_unicode', loc: ['body', ...path], msg }] },
  });
}
