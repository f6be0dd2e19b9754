// expect: platform-imports
export { name } from '#accounts';
