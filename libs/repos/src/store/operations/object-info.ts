import { accessor } from '../operation.js';

/** Type and size in bytes from stored headers, or null. */
export const objectInfo = accessor(({ store }, input: { readonly oid: string }) => store().info(input.oid));
