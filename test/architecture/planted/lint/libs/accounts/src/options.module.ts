// expect: roundhouse/no-synchronize
export const options = { type: 'postgres', synchronize: true };
