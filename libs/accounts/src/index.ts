export * from './account.js';
export * from './account-slug.js';
export * from './accounts.events.js';
export * from './accounts.module.js';
export * from './accounts.service.js';
export * from './tiers.js';
export * from './users.service.js';
export * from './plan-gate.js';
