import { type ArgumentsHost, Catch, type ExceptionFilter, Logger } from '@nestjs/common';
import type { Request, Response } from 'express';
import { DomainError, escapeHtml } from '#kernel';
import { sendError } from '#platform';
import type { SsoKey } from '../sso-keys.js';

/** Whether the answer is for a person's browser rather than for a program. */
export function wantsPage(request: Request): boolean {
  return (request.headers.accept ?? '').includes('text/html');
}

/** Nothing of a sign-in may stay in a cache or reach another site. */
export function keepPrivate(response: Response): Response {
  return response.setHeader('Cache-Control', 'no-store').setHeader('Referrer-Policy', 'no-referrer');
}

export function sendKeyPage(response: Response, { minted, user, account }: SsoKey): void {
  const until = minted.key.expiresAt?.toISOString() ?? 'it is revoked';
  sendPage(response, 200, 'Signed in', [
    `You are signed in as ${user.email}. This key acts for ${account.slug} until ${until}.`,
    `Copy it now: it is shown this once.`,
    minted.raw,
  ]);
}

/** Failures of the two addresses a browser visits, as a page for it; programs get the surface's envelope. */
@Catch(DomainError)
export class SsoPageFilter implements ExceptionFilter<DomainError> {
  private readonly log = new Logger('Errors');

  catch(error: DomainError, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<Request>();
    const response = keepPrivate(host.switchToHttp().getResponse<Response>());
    if (wantsPage(request) && error.code !== 'internal') {
      if (error.status >= 500) this.log.warn({ msg: 'sign-in failed', err: error.cause ?? error });
      sendPage(response, error.status, 'Not signed in', [error.message]);
    } else sendError(error, request, response, this.log);
  }
}

function sendPage(response: Response, status: number, title: string, lines: readonly string[]): void {
  const text = lines.map((line) => `<p>${escapeHtml(line)}</p>`).join('\n');
  keepPrivate(response).status(status).type('html').send(`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${title}</title></head>
<body><h1>${title}</h1>
${text}
</body>
</html>
`);
}
