import { name as auth } from '#auth';
import { name as tickets } from '#tickets';
export const server = [auth, tickets];
