// expect: auth-imports
export { name } from '#repos';
