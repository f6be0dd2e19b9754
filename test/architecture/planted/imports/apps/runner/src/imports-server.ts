// expect: runner-imports
export { server } from '../../server/src/server.js';
