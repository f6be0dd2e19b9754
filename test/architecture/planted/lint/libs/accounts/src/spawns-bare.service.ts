// expect: roundhouse/no-child-process
import { spawn } from 'child_process';
export const run = () => spawn('git');
