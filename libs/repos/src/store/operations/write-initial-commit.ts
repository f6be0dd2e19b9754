import { formatCommit, type Signature } from '../commit.js';
import { mutator } from '../operation.js';
import { EMPTY_TREE } from '../oid.js';
import { PackWriter } from '../pack-writer.js';

export interface InitialCommitInput {
  readonly author: Signature;
  readonly message: string;
}

/** A commit with what its pack takes up on disk. */
export interface InitialCommit {
  readonly sha: string;
  readonly packBytes: number;
}

/** A root commit of the empty tree, durable when it returns. */
export const writeInitialCommit = mutator(({ store }, { author, message }: InitialCommitInput): InitialCommit => {
  const objects = store();
  const pack = new PackWriter(objects.objectsDir, objects);
  const tree = pack.add('tree', Buffer.alloc(0));
  if (tree !== EMPTY_TREE) throw new Error('The empty tree has another id than git gives it');
  const sha = pack.add('commit', formatCommit({ tree, parents: [], author, committer: author, message }));
  return { sha, packBytes: pack.write()?.bytes ?? 0 };
});
