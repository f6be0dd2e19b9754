import { DomainError } from '#kernel';

/** As long as a request waits to learn who calls. */
const PATIENCE_MS = 3_000;

/**
 * What `work` answers, unless it takes too long: with a database that does not answer nobody can be told apart, and what
 * is remembered of callers may be out of date. Errors: `unavailable`, with Retry-After; the work is left to itself.
 */
export async function withPatience<Result>(work: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(unverifiable()), PATIENCE_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function unverifiable(): DomainError {
  return new DomainError('unavailable', 'Credentials cannot be verified at the moment', {
    reason: 'credentials_unverifiable',
    headers: { 'Retry-After': '1' },
  });
}
