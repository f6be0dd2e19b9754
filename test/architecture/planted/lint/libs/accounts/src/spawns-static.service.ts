// expect: roundhouse/no-child-process
import { spawn } from 'node:child_process';
export const run = () => spawn('git');
