// expect: roundhouse/no-child-process
export const run = async () => (await import('node:child_process')).spawn('git');
