// expect: not-to-apps
export { server } from '../../../apps/server/src/server.js';
