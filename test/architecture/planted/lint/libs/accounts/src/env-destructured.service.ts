// expect: roundhouse/no-process-env
const { env } = process;
export const port = env['PORT'];
