export const name = 'knowledge';
