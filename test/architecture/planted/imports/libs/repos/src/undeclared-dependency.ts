// expect: no-undeclared-dependencies
export { value } from 'undeclared';
