import { value } from 'dev-only';
import { internal } from '../../platform/src/database/database.js';
import { support } from '../../../test/support/support.js';
import { allowed } from './allowed.js';
export const tested = [value, internal, support, allowed];
