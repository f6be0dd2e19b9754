import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';

/** Who needs a blob, e.g. `{ kind: 'session_version', ownerId: <its id> }`. */
export interface BlobHolder {
  readonly kind: string;
  readonly ownerId: string;
}

/** The tables `blob` (what the store may contain) and `blob_hold` (who needs it). */
@Injectable()
export class BlobsRepository {
  constructor(private readonly db: Database) {}

  /** Makes the blob known and wanted now. Waits for a sweep that is just taking it away, and then makes it anew. */
  async want(digest: string, bytes: number): Promise<void> {
    await this.db.query(
      `insert into blob (digest, bytes) values ($1, $2)
       on conflict (digest) do update set wanted_at = now(), bytes = excluded.bytes`,
      [digest, bytes],
    );
  }

  async hold(digest: string, { kind, ownerId }: BlobHolder): Promise<void> {
    await this.db.query('insert into blob_hold (digest, kind, owner_id) values ($1, $2, $3) on conflict do nothing', [
      digest,
      kind,
      ownerId,
    ]);
  }

  async holdAll(digests: readonly string[], { kind, ownerId }: BlobHolder): Promise<void> {
    await this.db.query(
      'insert into blob_hold (digest, kind, owner_id) select unnest($1::text[]), $2, $3 on conflict do nothing',
      [digests, kind, ownerId],
    );
  }

  async copyHolds(from: BlobHolder, to: BlobHolder): Promise<void> {
    await this.db.query(
      `insert into blob_hold (digest, kind, owner_id)
       select digest, $3, $4 from blob_hold where kind = $1 and owner_id = $2 on conflict do nothing`,
      [from.kind, from.ownerId, to.kind, to.ownerId],
    );
  }

  /** Ends the owners' holds on one blob, or on all of theirs. Whose last hold ends counts as wanted until now. */
  async release(kind: string, ownerIds: readonly string[], digest: string | null): Promise<void> {
    await this.db.query(
      `with released as (
         delete from blob_hold where kind = $1 and owner_id = any($2) and ($3::text is null or digest = $3) returning digest
       ), locked as (
         select digest from blob where digest in (select digest from released) order by digest for no key update
       )
       update blob set wanted_at = now() from locked where blob.digest = locked.digest`,
      [kind, ownerIds, digest],
    );
  }

  /** Blobs that nobody holds and nobody has wanted for `hours`, oldest first, after `after` (a digest of the last batch). */
  async findUnwanted(hours: number, limit: number): Promise<string[]> {
    const rows = await this.db.query<{ digest: string }>(
      `select digest from blob
        where wanted_at < now() - make_interval(hours => $1::int)
          and not exists (select from blob_hold where blob_hold.digest = blob.digest)
        order by wanted_at limit $2`,
      [hours, limit],
    );
    return rows.map(({ digest }) => digest);
  }

  /**
   * Inside a transaction: removes the row if it is still unwanted, and keeps whoever wants the blob waiting until the
   * transaction ends. False when it is wanted again or somebody is about to hold it.
   */
  async forget(digest: string, hours: number): Promise<boolean> {
    const locked = await this.db.query('select from blob where digest = $1 for update skip locked', [digest]);
    if (locked.length === 0) return false;
    // A statement of its own: it sees holds that were committed while the lock was waited for.
    const gone = await this.db.query(
      `delete from blob
        where digest = $1 and wanted_at < now() - make_interval(hours => $2::int)
          and not exists (select from blob_hold where blob_hold.digest = blob.digest)
        returning digest`,
      [digest, hours],
    );
    return gone.length > 0;
  }
}
