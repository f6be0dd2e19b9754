// expect: sandboxes-imports
export { name } from '#sessions';
