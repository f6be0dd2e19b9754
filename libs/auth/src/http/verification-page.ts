import type { Request, Response } from 'express';
import { DomainError, type ErrorCode } from '#kernel';
import type { VerificationOutcome } from '../verification/verification.service.js';

interface Answer {
  readonly status: number;
  readonly title: string;
  readonly text: string;
}

const ANSWERS: Readonly<Record<VerificationOutcome, Answer>> = {
  verified: {
    status: 200,
    title: 'Address verified',
    text: 'Your e-mail address is verified. You may close this page.',
  },
  expired: { status: 400, title: 'Link expired', text: 'This verification link has expired. Ask for a new one.' },
  invalid: { status: 400, title: 'Invalid link', text: 'This is not a verification link of this server.' },
  unknown: {
    status: 404,
    title: 'Unknown link',
    text: 'This verification link is not known any more. Only the newest one counts; ask for another.',
  },
};

const ERROR_CODES: Readonly<Record<Exclude<VerificationOutcome, 'verified'>, ErrorCode>> = {
  expired: 'bad_request',
  invalid: 'bad_request',
  unknown: 'not_found',
};

/** A page for people who follow the link, JSON for programs that ask for it. */
export function sendVerification(request: Request, response: Response, outcome: VerificationOutcome): void {
  const { status, title, text } = ANSWERS[outcome];
  // The address holds the token: neither caches nor the pages linked from here shall know it.
  response.setHeader('Cache-Control', 'no-store').setHeader('Referrer-Policy', 'no-referrer').vary('Accept');
  if (request.accepts(['html', 'json']) !== 'json') {
    response.status(status).type('html').send(page(title, text));
  } else if (outcome === 'verified') {
    response.status(status).json({ verified: true, message: text });
  } else {
    throw new DomainError(ERROR_CODES[outcome], text, { reason: `verification_${outcome}` });
  }
}

function page(title: string, text: string): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title></head>
<body><main><h1>${title}</h1><p>${text}</p></main></body>
</html>
`;
}
