import type { GitObject, ObjectReader } from '../store/git-object.js';
import { hashObject } from '../store/oid.js';
import type { PackWriter } from '../store/pack-writer.js';

/**
 * File contents of one request that has not succeeded yet. Packs only grow, so contents wait here until nothing can
 * fail any more: a refused request leaves no object behind in the pack of its group.
 */
export class StagedBlobs implements ObjectReader {
  private readonly blobs = new Map<string, Buffer>();

  constructor(private readonly base: ObjectReader) {}

  add(bytes: Buffer): string {
    const oid = hashObject('blob', bytes).toString('hex');
    this.blobs.set(oid, bytes);
    return oid;
  }

  find(oid: string): GitObject | null {
    const data = this.blobs.get(oid);
    return data === undefined ? this.base.find(oid) : { type: 'blob', data };
  }

  /** Size in bytes of a blob staged here, or null. */
  stagedSize(oid: string): number | null {
    return this.blobs.get(oid)?.length ?? null;
  }

  /** Moves the contents named in `wanted` to the pack; contents overwritten within the request are dropped. */
  flush(pack: PackWriter, wanted: Iterable<string>): void {
    for (const oid of wanted) {
      const bytes = this.blobs.get(oid);
      if (bytes !== undefined) pack.add('blob', bytes);
    }
  }
}
