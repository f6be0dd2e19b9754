// expect: tickets-imports
export { name } from '#auth';
