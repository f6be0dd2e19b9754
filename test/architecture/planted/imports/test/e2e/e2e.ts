import { support } from '../support/support.js';
export const e2e = support;
