export const name = 'sessions';
