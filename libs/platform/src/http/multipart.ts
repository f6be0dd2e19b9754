import { AsyncLocalStorage } from 'node:async_hooks';
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import busboy from 'busboy';
import { DomainError } from '#kernel';

/** More than any form here has; what is beyond is ignored. */
const LIMITS = { fieldNameSize: 200, fieldSize: 65_536, fields: 20, files: 5, parts: 20, headerPairs: 100 };

/**
 * Streams the file of a multipart field into `use` while it arrives, and resolves with what that returned once the form
 * has ended well. When `use` refuses, the rest of the body is not read and the request stays whole, so that its
 * connection can carry the answer. Errors: those of `use`; `invalid_input` without the field; `bad_request` for a form
 * that is malformed or cut off (the file's stream fails then, too).
 */
export function readUploadedFile<Result>(
  request: IncomingMessage,
  field: string,
  use: (file: Readable) => Promise<Result>,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const form = formOf(request, field);
    // The file is told of by the connection, which is no part of what the request belongs to.
    const begin = AsyncLocalStorage.bind(use);
    let used: Promise<Result> | undefined;
    const refuse = (error: unknown): void => {
      request.unpipe(form).off('close', onGone);
      request.pause();
      form.destroy();
      reject(error as Error);
    };
    const onGone = (): void => {
      // A request that has been received closes, too, while its last bytes wait for a slow reader.
      if (!request.complete) form.destroy(new Error('the client is gone'));
    };
    form.on('file', (name, file) => {
      // A file that nobody reads holds up the form; one that fails on the way has told whoever reads it.
      file.on('error', () => undefined);
      if (name !== field || used !== undefined) return void file.resume();
      used = begin(file);
      used.catch(refuse);
    });
    form.on('error', (error) => {
      // What `use` makes of the failing stream says more.
      const malformed = new DomainError('bad_request', 'Malformed multipart body', { cause: error });
      if (used === undefined) refuse(malformed);
      else used.then(() => refuse(malformed), refuse);
    });
    form.on('close', () => {
      request.off('close', onGone);
      if (used === undefined) reject(missingField(field));
      else used.then(resolve, reject);
    });
    request.once('close', onGone);
    request.pipe(form);
  });
}

function formOf(request: IncomingMessage, field: string): busboy.Busboy {
  if (!/^multipart\/form-data\b/i.test(request.headers['content-type'] ?? '')) throw missingField(field);
  try {
    return busboy({ headers: request.headers, limits: LIMITS });
  } catch (error) {
    throw new DomainError('bad_request', 'Malformed multipart body', { cause: error });
  }
}

/** sessionfs-1.md §2.3 */
const missingField = (field: string): DomainError =>
  new DomainError('invalid_input', 'Validation error', {
    field,
    details: { errors: [{ type: 'missing', loc: ['body', field], msg: 'Field required', input: null }] },
  });
