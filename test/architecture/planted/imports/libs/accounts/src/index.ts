export const name = 'accounts';
