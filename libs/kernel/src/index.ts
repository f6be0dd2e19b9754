export * from './errors.js';
export * from './ids.js';
export * from './clock.js';
export * from './fault-points.js';
export * from './compiled-entry.js';
export * from './slug.js';
export * from './disk-full.js';
