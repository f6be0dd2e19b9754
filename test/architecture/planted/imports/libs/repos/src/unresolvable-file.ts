// expect: no-unresolvable
export { name } from './nowhere.js';
