// expect: production-without-tests
export { support } from '../../../test/support/support.js';
