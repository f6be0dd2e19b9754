// expect: @typescript-eslint/no-explicit-any
export const identity = (value: any): unknown => value;
