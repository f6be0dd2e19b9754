import { readArchive } from './read-archive.js';
import { redactArchive } from './redact-archive.js';
import { screenText } from './screen-text.js';

/** What an archive worker can do with the bytes of an archive or a text; tasks and results must survive a structured clone. */
export const ARCHIVE_JOBS = { read: readArchive, redact: redactArchive, text: screenText } satisfies Record<
  string,
  (source: AsyncIterable<Uint8Array>, task: never) => Promise<unknown>
>;

export type ArchiveJob = keyof typeof ARCHIVE_JOBS;
export type JobTask<Job extends ArchiveJob> = Parameters<(typeof ARCHIVE_JOBS)[Job]>[1];
export type JobResult<Job extends ArchiveJob> = Awaited<ReturnType<(typeof ARCHIVE_JOBS)[Job]>>;
