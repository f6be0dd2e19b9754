// expect: runner-imports
export { name } from '#platform';
