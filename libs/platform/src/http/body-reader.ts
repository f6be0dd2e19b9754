import { createHash } from 'node:crypto';
import { applyDecorators, Injectable, SetMetadata } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { ApiExtension } from '@nestjs/swagger';
import type { Request } from 'express';
import { AppConfig } from '../config/app-config.js';
import { hasBody, readBody } from './request-body.js';

/** How a route wants its body. */
export interface BodyRule {
  readonly form: 'json' | 'lenient-json' | 'buffer' | 'stream';
  readonly limit?: (config: AppConfig) => number;
}

export const BODY_RULE = 'roundhouse:body-rule';
/** OpenAPI's mark of a route whose body has no end that could be waited for. */
export const STREAMED_BODY = 'x-streamed-body';
const DEFAULT_LIMIT = 1_048_576;
const DEFAULT_RULE: BodyRule = { form: 'json' };

/** The handler reads the raw request itself. */
export const StreamBody = (): MethodDecorator =>
  applyDecorators(SetMetadata(BODY_RULE, { form: 'stream' } satisfies BodyRule), ApiExtension(STREAMED_BODY, true));

/** `request.body` is the unparsed Buffer; it is parsed elsewhere (a worker), within `limit` bytes. */
export const BufferBody = (limit: (config: AppConfig) => number): MethodDecorator =>
  SetMetadata(BODY_RULE, { form: 'buffer', limit } satisfies BodyRule);

/** JSON of up to so many bytes, where 1 MiB is too little. */
export const JsonBody = (bytes: number): MethodDecorator =>
  SetMetadata(BODY_RULE, { form: 'json', limit: () => bytes } satisfies BodyRule);

/** A missing or malformed JSON body counts as `{}`. */
export const LenientBody = (): MethodDecorator => SetMetadata(BODY_RULE, { form: 'lenient-json' } satisfies BodyRule);

interface ReadBody {
  /** Undefined when the route takes no body or streams it. */
  readonly bytes: Buffer | undefined;
  readonly sha256: Buffer | undefined;
}

type Handler = Parameters<Reflector['get']>[1];

/** Reads each body once, after access was granted and under the limit of its route; JSON up to 1 MiB unless declared. */
@Injectable()
export class BodyReader {
  private readonly bodies = new WeakMap<Request, Promise<ReadBody>>();

  constructor(
    private readonly reflector: Reflector,
    private readonly config: AppConfig,
  ) {}

  ruleOf(handler: Handler): BodyRule {
    return this.reflector.get<BodyRule | undefined>(BODY_RULE, handler) ?? DEFAULT_RULE;
  }

  /** Errors: `payload_too_large`, `invalid_input` when it cannot be read. */
  async read(request: Request, handler: Handler): Promise<Buffer | undefined> {
    return (await this.once(request, handler, false)).bytes;
  }

  /** SHA-256 of the body's bytes, computed as they arrive: a large body never blocks the process for long. */
  async hash(request: Request, handler: Handler): Promise<Buffer> {
    return (await this.once(request, handler, true)).sha256 ?? createHash('sha256').digest();
  }

  private once(request: Request, handler: Handler, wantsHash: boolean): Promise<ReadBody> {
    let body = this.bodies.get(request);
    if (!body) {
      body = this.receive(request, this.ruleOf(handler), wantsHash);
      this.bodies.set(request, body);
    }
    return body;
  }

  private async receive(request: Request, rule: BodyRule, wantsHash: boolean): Promise<ReadBody> {
    const isWanted = rule.form === 'buffer' || hasBody(request);
    if (rule.form === 'stream' || !isWanted || request.method === 'GET' || request.method === 'HEAD') {
      return { bytes: undefined, sha256: undefined };
    }
    const hash = wantsHash ? createHash('sha256') : undefined;
    const bytes = await readBody(request, rule.limit?.(this.config) ?? DEFAULT_LIMIT, (chunk) => hash?.update(chunk));
    return { bytes, sha256: hash?.digest() };
  }
}
