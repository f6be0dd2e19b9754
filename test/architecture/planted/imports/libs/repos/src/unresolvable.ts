// expect: no-unresolvable
export { name } from '#nope';
