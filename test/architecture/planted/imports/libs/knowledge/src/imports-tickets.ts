// expect: knowledge-imports
export { name } from '#tickets';
