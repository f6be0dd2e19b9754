// expect: spec-only-test-support
export { e2e } from '../../../test/e2e/e2e.js';
