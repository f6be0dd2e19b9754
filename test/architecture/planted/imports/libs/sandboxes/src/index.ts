export const name = 'sandboxes';
