// expect: no-dev-dependencies
export { value } from 'dev-only';
