// expect: roundhouse/no-process-env
export const all = process['env'];
