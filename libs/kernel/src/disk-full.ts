import { DomainError } from './errors.js';

/** No room, no quota, or a file system the kernel made read-only: for whoever writes they are the same. */
const ERRNOS = new Set(['ENOSPC', 'EDQUOT', 'EROFS']);

export const DISK_FULL = 'disk_full';

/** Whether a failed system call means that nothing can be stored now. */
export function isDiskFull(error: unknown): boolean {
  return error instanceof Error && ERRNOS.has((error as NodeJS.ErrnoException).code ?? '');
}

/** 503 for a write that found no room. */
export function diskFull(cause?: unknown): DomainError {
  return new DomainError('unavailable', "The server's disk is full. Nothing was written.", {
    reason: DISK_FULL,
    cause,
  });
}

/** Runs work that may find the disk full. Errors: `unavailable` (`disk_full`). */
export async function onDisk<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw isDiskFull(error) ? diskFull(error) : error;
  }
}
