import {
  type ArgumentsHost,
  Catch,
  type ExceptionFilter,
  HttpException,
  Injectable,
  Logger,
  NotFoundException,
} from '@nestjs/common';
import type { Request, Response } from 'express';
import { DomainError, ERROR_STATUS, type ErrorCode } from '#kernel';
import { RouteTable } from '../access/route-table.js';
import { Idempotency } from '../idempotency/idempotency.js';
import { RateLimits } from '../limits/rate-limits.js';
import { dialectOf } from './dialects.js';
import { loggedPath } from './logged-path.js';
import { ReplayedAnswer } from './replayed-answer.js';
import { currentContext } from './request-context.js';
import { refuseRestOfBody } from './request-body.js';

/** Turns every failure into the envelope of the surface it happened on. Anything unexpected is a logged 500. */
@Catch()
@Injectable()
export class DialectFilter implements ExceptionFilter {
  private readonly log = new Logger('Errors');

  constructor(
    private readonly idempotency: Idempotency,
    private readonly limits: RateLimits,
    private readonly routes: RouteTable,
  ) {}

  catch(exception: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<Request>();
    const response = host.switchToHttp().getResponse<Response>();
    if (exception instanceof ReplayedAnswer) return sendReplay(exception, response);
    const answer = (failure: unknown): void => sendError(failure, request, response, this.log);
    const claim = currentContext()?.claim;
    // The key is free again before the client can read the answer and retry.
    if (claim) void this.idempotency.drop(claim).then(() => answer(exception));
    else if (exception instanceof NotFoundException) void this.unknownRoute(request).then(answer);
    else answer(exception);
  }

  /** What the router did not find never met the access guard: it counts against the address here (coregit.md §1.2). */
  private async unknownRoute(request: Request): Promise<unknown> {
    try {
      await this.limits.admitAnonymous(request);
    } catch (error) {
      return error;
    }
    return dialectOf(request).unknownRoute(this.routes.methodsOf(request.path));
  }
}

function sendReplay({ status, body }: ReplayedAnswer, response: Response): void {
  response.status(status).setHeader('Idempotency-Replayed', 'true');
  if (body) response.type('application/json');
  response.end(body ?? undefined);
}

/** Shared with middleware, which fails before Nest's own filters can see it. */
export function sendError(exception: unknown, request: Request, response: Response, log: Logger): void {
  const error = asDomainError(exception);
  // Only `internal` is a fault of ours; 502–504 say that something else is missing, full or slow.
  const entry = { msg: 'request failed', err: error.cause ?? error, path: loggedPath(request.path) };
  // Who breaks a request off is not there to be told, and no fault of ours.
  if (request.errored && exception === request.errored) log.debug(entry);
  else if (error.code === 'internal') log.error(entry);
  else if (error.status > 501) log.warn(entry);
  if (response.headersSent) {
    // The status line is gone: only breaking the connection tells the client that the answer is not whole.
    request.socket.destroy();
    return;
  }
  const reply = dialectOf(request).reply(error, currentContext()?.requestId ?? '');
  for (const [name, value] of Object.entries(reply.headers)) response.setHeader(name, value);
  refuseRestOfBody(request, response);
  response.status(reply.status);
  if (typeof reply.body === 'string') response.type('text/plain').send(reply.body);
  else response.json(reply.body);
}

function asDomainError(exception: unknown): DomainError {
  if (exception instanceof DomainError) {
    return exception.code === 'internal' ? internal(exception) : exception;
  }
  const status = httpStatusOf(exception);
  if (status === 404) return new DomainError('not_found', 'Not found');
  if (status !== null && status >= 400 && status < 500) {
    const code = (Object.keys(ERROR_STATUS) as ErrorCode[]).find((known) => ERROR_STATUS[known] === status);
    return new DomainError(code ?? 'invalid_input', exception instanceof Error ? exception.message : 'Bad request');
  }
  return internal(exception);
}

function internal(cause: unknown): DomainError {
  return new DomainError('internal', 'Internal server error', { cause });
}

function httpStatusOf(exception: unknown): number | null {
  if (exception instanceof HttpException) return exception.getStatus();
  const status = (exception as { status?: unknown } | null)?.status;
  return typeof status === 'number' ? status : null;
}
