// expect: plain-node
export { value } from 'declared';
