export * from './runner/git-runner.js';
export type * from './runner/operations.js';
export * from './runner/quarantine.js';
