export const internal = 'accounts';
