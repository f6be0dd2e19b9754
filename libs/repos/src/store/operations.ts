import { discardCommits, prepareCommit, writeCommitGroup } from '../commit-request/commit-operations.js';
import { changedPaths } from './operations/changed-paths.js';
import { findEntry } from './operations/find-entry.js';
import { forbiddenTreeEntries } from './operations/forbidden-tree-entries.js';
import { initRepository } from './operations/init-repository.js';
import { listTree } from './operations/list-tree.js';
import { locateBlob } from './operations/locate-blob.js';
import { log } from './operations/log.js';
import { objectInfo } from './operations/object-info.js';
import { peel } from './operations/peel.js';
import { readBlob, readBlobText } from './operations/read-blob.js';
import { readBlobs } from './operations/read-blobs.js';
import { readCommit } from './operations/read-commit.js';
import { resolvePrefix } from './operations/resolve-prefix.js';
import { writeInitialCommit } from './operations/write-initial-commit.js';

/** Everything a store worker can do, by name. */
export const OPERATIONS = {
  changedPaths,
  discardCommits,
  findEntry,
  forbiddenTreeEntries,
  initRepository,
  listTree,
  locateBlob,
  log,
  objectInfo,
  peel,
  prepareCommit,
  readBlob,
  readBlobText,
  readBlobs,
  readCommit,
  resolvePrefix,
  writeInitialCommit,
  writeCommitGroup,
};
