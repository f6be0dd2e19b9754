export * from './conversation/json.js';
export * from './conversation/message.js';
