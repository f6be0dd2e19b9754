import { DomainError } from '#kernel';
import type { Outbound } from '#platform';

/**
 * An address that a user names, as it is stored: without a trailing slash. Errors: `invalid_input` naming the field for
 * what is no http(s) URL, has credentials, a query or a fragment, or is not on the public internet.
 */
export async function namedAddress(outbound: Outbound, text: string, field: string): Promise<string> {
  const refuse = (message: string, reason?: string): DomainError =>
    new DomainError('invalid_input', message, { field, ...(reason !== undefined && { reason }) });
  if (!URL.canParse(text)) throw refuse(`${field} must be an http or https URL`);
  const url = new URL(text);
  if (url.search !== '' || url.hash !== '') throw refuse(`${field} must have neither a query nor a fragment`);
  try {
    await outbound.assertNameable(url);
  } catch (error) {
    throw error instanceof DomainError ? refuse(error.message, error.reason) : error;
  }
  return url.href.replace(/\/+$/, '');
}
