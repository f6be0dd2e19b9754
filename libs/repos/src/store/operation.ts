import type { ObjectStore } from './object-store.js';
import type { StoreCache } from './store-cache.js';

/** What an operation may use inside a worker. */
export interface OperationContext {
  /** Absolute path of the bare repository the call is about. */
  readonly dir: string;
  readonly stores: StoreCache;
  /** The open store of `dir`; throws not_found when there is no repository. */
  readonly store: () => ObjectStore;
}

/**
 * One named thing a worker does for one repository. Mutators of a repository run one after another in one worker;
 * accessors run wherever there is room. Input and output are structured-cloned, binary data wrapped by `handOver`.
 */
export interface Operation<I, O> {
  readonly kind: 'accessor' | 'mutator';
  readonly run: (context: OperationContext, input: I) => O;
}

export function accessor<I, O>(run: (context: OperationContext, input: I) => O): Operation<I, O> {
  return { kind: 'accessor', run };
}

export function mutator<I, O>(run: (context: OperationContext, input: I) => O): Operation<I, O> {
  return { kind: 'mutator', run };
}
