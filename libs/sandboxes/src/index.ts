export { type AccessMode, AccessScope, type WorkspacePath } from './scope/access-scope.js';
export { type FileAccess, OWN_DIRECTORIES, toFileAccess, WHOLE_WORKSPACE } from './scope/file-access.js';
export { notInScope, toWorkspacePath } from './scope/requested-path.js';
export * from './sandboxes.module.js';
