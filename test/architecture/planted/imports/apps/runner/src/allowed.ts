import { spawn } from 'node:child_process';
import { name } from '#kernel';
export const run = () => spawn(name);
