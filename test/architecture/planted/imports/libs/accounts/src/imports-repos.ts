// expect: accounts-imports
export { name } from '#repos';
