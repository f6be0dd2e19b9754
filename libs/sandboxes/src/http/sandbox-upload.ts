import type { Request } from 'express';
import { isForm, parseJson, type Principal, readBody, readUploadedFiles } from '#platform';
import type { AccountUploadsService, Uploaded } from '../account-sandboxes/account-uploads.service.js';
import {
  type ApiSandboxFileQuery,
  MAX_FILES,
  noFiles,
  toIncoming,
  toListed,
  toUploadPlace,
} from './api-sandbox-files.dto.js';

/** Of an upload that comes as JSON; larger files come in a form, or are staged. */
const MAX_JSON_BYTES = 4_194_304;

/** Takes the files of a form as they come, or those that a JSON body lists. */
export async function receiveUpload(
  caller: Principal,
  query: ApiSandboxFileQuery,
  request: Request,
  uploads: AccountUploadsService,
): Promise<Uploaded> {
  if (!isForm(request)) {
    const body = parseJson(request, await readBody(request, MAX_JSON_BYTES));
    const { sandboxId, ...place } = toUploadPlace(query);
    return uploads.write(caller, sandboxId, toListed(body, { sandboxId, ...place }));
  }
  // Those that come in one packet are there at once: each waits for the one before.
  let last: Promise<unknown> = Promise.resolve();
  const take = (write: () => Promise<Uploaded>): Promise<Uploaded> => {
    const mine = last.then(write);
    last = mine;
    return mine;
  };
  const written = await readUploadedFiles(
    request,
    (file) => {
      const place = toUploadPlace(query, file.texts);
      const incoming = toIncoming(file, place);
      return take(() => uploads.write(caller, place.sandboxId, [incoming]));
    },
    MAX_FILES,
  );
  const [first] = written;
  if (!first) throw noFiles();
  return { sandboxId: first.sandboxId, files: written.flatMap(({ files }) => files) };
}
