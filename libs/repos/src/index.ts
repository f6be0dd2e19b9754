export * from './runner/git-runner.js';
export type * from './runner/operations.js';
export * from './runner/quarantine.js';
export * from './http/repo-address.js';
export { isValidBranchName } from './ref-names.js';
export * from './repo.js';
export * from './repos.events.js';
export * from './repos.module.js';
export * from './repos.service.js';
