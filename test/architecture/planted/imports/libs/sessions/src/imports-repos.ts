// expect: sessions-imports
export { name } from '#repos';
