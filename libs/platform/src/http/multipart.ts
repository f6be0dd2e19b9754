import { AsyncLocalStorage } from 'node:async_hooks';
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import busboy from 'busboy';
import { DomainError } from '#kernel';

/** More than any form here has; what is beyond is ignored. */
const LIMITS = { fieldNameSize: 200, fieldSize: 65_536, fields: 20, files: 5, headerPairs: 100 };

/** One file of a form. */
export interface UploadedFile {
  /** The field it came in. */
  readonly field: string;
  /** As its sender calls it, directories included; empty when it has no name. */
  readonly name: string;
  readonly content: Readable;
  /** Texts of the form that came before it. */
  readonly texts: Readonly<Record<string, string>>;
}

/**
 * Streams the file of a multipart field into `use` while it arrives, and resolves with what that returned once the form
 * has ended well. Further files are ignored. Errors: as `readUploadedFiles`; `invalid_input` without the field.
 */
export async function readUploadedFile<Result>(
  request: IncomingMessage,
  field: string,
  use: (file: Readable) => Promise<Result>,
): Promise<Result> {
  if (!isForm(request)) throw missingField(field);
  let isTaken = false;
  const results = await readUploadedFiles(request, (file) => {
    if (file.field !== field || isTaken) return null;
    isTaken = true;
    return use(file.content);
  });
  if (results.length === 0) throw missingField(field);
  return results[0]!;
}

export function isForm(request: IncomingMessage): boolean {
  return /^multipart\/form-data\b/i.test(request.headers['content-type'] ?? '');
}

/**
 * Streams the files of a form into `use`, one after the other while they arrive, and resolves with what that returned once
 * the form has ended well; `use` answers null for a file that is ignored. When it refuses, the rest of the body is not
 * read and the request stays whole, so that its connection can carry the answer; what was used before stays. Errors:
 * those of `use`; `bad_request` for a form that is malformed or cut off (the file's stream fails then, too), or has more
 * than `most` files. Small files may be given to `use` before it is done with the one before.
 */
export function readUploadedFiles<Result>(
  request: IncomingMessage,
  use: (file: UploadedFile) => Promise<Result> | null,
  most: number | null = null,
): Promise<Result[]> {
  return new Promise((resolve, reject) => {
    const form = formOf(request, most ?? LIMITS.files);
    // Files are told of by the connection, which is no part of what the request belongs to.
    const begin = AsyncLocalStorage.bind(use);
    const texts: Record<string, string> = {};
    const results: Promise<Result>[] = [];
    const refuse = (error: unknown): void => {
      request.unpipe(form).off('close', onGone);
      request.pause();
      form.destroy();
      reject(error as Error);
    };
    const onGone = (): void => {
      // A request that has been read to its end closes, too, while its last bytes wait for a slow reader.
      if (!request.readableEnded) form.destroy(new Error('the client is gone'));
    };
    form.on('field', (name, value) => (texts[name] = value));
    form.on('file', (field, content, { filename }) => {
      // A file that nobody reads holds up the form; one that fails on the way has told whoever reads it.
      content.on('error', () => undefined);
      // Without a name there is none, whatever the types say.
      const file = { field, name: (filename as string | undefined) ?? '', content, texts: { ...texts } };
      const result = attempted(() => begin(file));
      if (result === null) return void content.resume();
      results.push(result);
      result.catch(refuse);
    });
    form.on('filesLimit', () => most !== null && refuse(tooManyFiles(most)));
    form.on('error', (error) => {
      // What `use` makes of the failing stream says more.
      const malformed = new DomainError('bad_request', 'Malformed multipart body', { cause: error });
      Promise.all(results).then(() => refuse(malformed), refuse);
    });
    form.on('close', () => {
      request.off('close', onGone);
      Promise.all(results).then(resolve, reject);
    });
    request.once('close', onGone);
    if (request.closed) onGone();
    request.pipe(form);
  });
}

/** Whatever it refuses at once it refuses like the rest. */
function attempted<Result>(work: () => Promise<Result> | null): Promise<Result> | null {
  try {
    return work();
  } catch (error) {
    return Promise.reject(error as Error);
  }
}

function formOf(request: IncomingMessage, files: number): busboy.Busboy {
  try {
    const limits = { ...LIMITS, files, parts: files + LIMITS.fields };
    return busboy({ headers: request.headers, preservePath: true, defParamCharset: 'utf8', limits });
  } catch (error) {
    throw new DomainError('bad_request', 'Malformed multipart body', { cause: error });
  }
}

const tooManyFiles = (most: number): DomainError =>
  new DomainError('bad_request', `At most ${most} files may come at once`, { field: 'files' });

/** sessionfs-1.md §2.3 */
const missingField = (field: string): DomainError =>
  new DomainError('invalid_input', 'Validation error', {
    field,
    details: { errors: [{ type: 'missing', loc: ['body', field], msg: 'Field required', input: null }] },
  });
