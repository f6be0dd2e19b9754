// expect: roundhouse/no-process-env
export const mode = process.env['APP_MODE'];
