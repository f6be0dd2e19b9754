import type { Request } from 'express';
import { readUploadedFile } from '#platform';
import type { Delivery } from '../sync/archive-intake.service.js';

/** OpenAPI's words for a multipart body with one archive. */
export const FILE_FORM = {
  schema: { type: 'object', required: ['file'], properties: { file: { type: 'string', format: 'binary' } } },
};

/** The archive in a request that has not been read yet: the field `file` of a form (sessionfs-1.md §7.3). */
export function deliveryOf(request: Request): Delivery {
  const length = request.headers['content-length'];
  return {
    upload: (use) => readUploadedFile(request, 'file', use),
    announcedBytes: length === undefined ? null : Number(length),
  };
}
