import { accessor } from '../operation.js';
import { peelObject } from '../peeled.js';

/** What an object id means once annotated tags are followed; null when it does not exist. */
export const peel = accessor(({ store }, input: { readonly oid: string }) => peelObject(store(), input.oid));
