export const name = 'repos';
