import { formatCommit, type Signature } from '../commit.js';
import { mutator } from '../operation.js';
import { EMPTY_TREE } from '../oid.js';
import { PackWriter } from '../pack-writer.js';

export interface InitialCommitInput {
  readonly author: Signature;
  readonly message: string;
}

/** A root commit of the empty tree, durable when it returns; answers its id. */
export const writeInitialCommit = mutator(({ store }, { author, message }: InitialCommitInput): string => {
  const objects = store();
  const pack = new PackWriter(objects.objectsDir, objects);
  const tree = pack.add('tree', Buffer.alloc(0));
  if (tree !== EMPTY_TREE) throw new Error('The empty tree has another id than git gives it');
  const commit = pack.add('commit', formatCommit({ tree, parents: [], author, committer: author, message }));
  pack.write();
  return commit;
});
