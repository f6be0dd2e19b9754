import { value } from 'declared';
import { name as accounts } from '#accounts';
import { name as kernel } from '#kernel';
import { name as platform } from '#platform';
import type { Shape } from 'dev-only';
export const allowed: Shape = [value, accounts, kernel, platform];
