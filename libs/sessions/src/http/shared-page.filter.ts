import { type ArgumentsHost, Catch, type ExceptionFilter, Logger } from '@nestjs/common';
import type { Request, Response } from 'express';
import { DomainError } from '#kernel';
import { sendError } from '#platform';
import { formOf } from './captured-shared.dto.js';
import { failurePage, passwordPage, SHARED_POLICY } from './shared-page.js';

/** The address opens the session: no cache keeps what is there, no search engine lists it, no other site learns of it. */
export function keepShared(response: Response): Response {
  response.vary('Accept');
  return response
    .setHeader('Cache-Control', 'private, no-cache')
    .setHeader('Referrer-Policy', 'no-referrer')
    .setHeader('X-Robots-Tag', 'noindex, nofollow');
}

/** Sends a page of ours. */
export function sharedHtml(response: Response): Response {
  return keepShared(response)
    .setHeader('Cache-Control', 'private, no-store')
    .setHeader('Content-Security-Policy', SHARED_POLICY)
    .setHeader('Content-Type', 'text/html; charset=utf-8');
}

/** Failures as pages for people: where the password is missing or wrong, the one that asks for it. */
@Catch(DomainError)
export class SharedPageFilter implements ExceptionFilter<DomainError> {
  private readonly log = new Logger('Errors');

  catch(error: DomainError, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<Request>();
    const response = host.switchToHttp().getResponse<Response>();
    if (response.headersSent || formOf(request) !== 'html' || error.code === 'internal') {
      if (!response.headersSent) keepShared(response);
      return sendError(error, request, response, this.log);
    }
    if (error.status >= 500) this.log.warn({ msg: 'a shared session could not be shown', err: error.cause ?? error });
    for (const [name, value] of Object.entries(error.headers)) response.setHeader(name, value);
    sharedHtml(response)
      .status(error.code === 'invalid_input' ? 422 : error.status)
      .end(pageOf(error));
  }
}

function pageOf({ code, reason, message }: DomainError): string {
  if (code === 'unauthorized') return passwordPage(message === 'Password required' ? null : message);
  return reason === 'share_password_limit' ? passwordPage(message) : failurePage(message);
}
