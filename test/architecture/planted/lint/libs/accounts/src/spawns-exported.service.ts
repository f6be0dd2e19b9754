// expect: roundhouse/no-child-process
export { spawn } from 'node:child_process';
