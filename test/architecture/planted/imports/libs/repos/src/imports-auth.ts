// expect: repos-imports
export { name } from '#auth';
