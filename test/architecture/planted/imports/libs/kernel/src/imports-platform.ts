// expect: kernel-imports
export { name } from '#platform';
