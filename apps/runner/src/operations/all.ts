import type { GitOperation } from '#repos';
import type { Operation } from '../operation.js';
import { catFile } from './cat-file.js';
import { checkOut } from './check-out.js';
import { checkWants } from './check-wants.js';
import { connectivity } from './connectivity.js';
import { countObjects } from './count-objects.js';
import { fastImport } from './fast-import.js';
import { fsck } from './fsck.js';
import { indexPack } from './index-pack.js';
import { isAncestor } from './is-ancestor.js';
import { maintenance } from './maintenance.js';
import { mergeBase } from './merge-base.js';
import { uploadPack } from './upload-pack.js';

/** Every operation by its name; the type makes a forgotten one a compile error. */
export const OPERATIONS: { readonly [N in GitOperation]: Operation<N> } = {
  'upload-pack': uploadPack,
  'check-out': checkOut,
  'check-wants': checkWants,
  'index-pack': indexPack,
  connectivity,
  'is-ancestor': isAncestor,
  'merge-base': mergeBase,
  maintenance,
  fsck,
  'count-objects': countObjects,
  'fast-import': fastImport,
  'cat-file': catFile,
};
