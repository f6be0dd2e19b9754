export const options = { type: 'postgres', synchronize: false };
