export const name = 'tickets';
