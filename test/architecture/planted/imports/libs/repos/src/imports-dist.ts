// expect: not-to-dist
export { name } from '../../../dist/libs/repos/src/index.js';
