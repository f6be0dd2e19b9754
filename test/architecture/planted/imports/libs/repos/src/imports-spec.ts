// expect: production-without-tests
export { tested } from './allowed.spec.js';
