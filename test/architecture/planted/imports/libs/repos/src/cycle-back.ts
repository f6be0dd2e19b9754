// expect: no-cycles
// (a circle is reported once, at one of its files)
import { there } from './cycle-there.js';
export const back = () => there;
