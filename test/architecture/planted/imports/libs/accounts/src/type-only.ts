// expect: accounts-imports
import type { name } from '#repos';
export type Name = typeof name;
