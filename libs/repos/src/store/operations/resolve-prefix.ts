import { accessor } from '../operation.js';

const PREFIX = /^[0-9a-f]{4,40}$/;

/** The object id an abbreviation of at least 4 hex digits stands for, null, or 'ambiguous'. */
export const resolvePrefix = accessor(({ store }, input: { readonly prefix: string }) => {
  const prefix = input.prefix.toLowerCase();
  return PREFIX.test(prefix) ? store().resolvePrefix(prefix) : null;
});
