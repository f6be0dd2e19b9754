import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';

/** The X-Session-Id of a request as sent; null when absent or empty. */
export function presentedSessionId(request: Pick<Request, 'headers'>): string | null {
  const header = request.headers['x-session-id'];
  return typeof header === 'string' && header !== '' ? header : null;
}

/** The pinned session id in the caller's header, whether alive or not. */
export const PresentedSessionId = createParamDecorator((_: unknown, context: ExecutionContext): string | null =>
  presentedSessionId(context.switchToHttp().getRequest<Request>()),
);
