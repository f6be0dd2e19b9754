import type { IncomingMessage, ServerResponse } from 'node:http';
import { DomainError, toWireError } from '#kernel';

/** Tips of a repository with a million refs. */
const MOST_PARAM_BYTES = 64 * 1024 * 1024;
const ERROR_STATUS_LINE = 500;

export async function readJson(request: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MOST_PARAM_BYTES) throw new DomainError('payload_too_large', 'Parameters are too large');
    parts.push(chunk);
  }
  return parseJson(Buffer.concat(parts).toString('utf8'));
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new DomainError('invalid_input', 'Parameters are not JSON', { cause });
  }
}

export function answer(response: ServerResponse, status: number, value: unknown): void {
  const body = Buffer.from(JSON.stringify(value));
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': body.length }).end(body);
}

/** `runner` is its name, as the server's log shows it. */
export function answerError(runner: string, request: IncomingMessage, response: ServerResponse, error: unknown): void {
  const failure =
    error instanceof DomainError ? error : new DomainError('internal', `The ${runner} runner failed`, { cause: error });
  // Callers leave when their own callers do; that is not worth a line.
  if (failure.code === 'internal' && !isCallerGone(error))
    process.stderr.write(`${runner} runner: ${request.url}: ${describe(failure)}\n`);
  // A broken stream must look broken: the caller may not take half an answer for a whole one.
  request.resume();
  if (response.headersSent || response.destroyed) response.destroy();
  else answer(response, ERROR_STATUS_LINE, { error: toWireError(failure) });
}

function isCallerGone(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE';
}

function describe(failure: DomainError): string {
  const { cause } = failure;
  return cause instanceof Error ? `${failure.message}: ${cause.stack ?? cause.message}` : failure.message;
}
