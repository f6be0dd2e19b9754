export const internal = 'platform';
