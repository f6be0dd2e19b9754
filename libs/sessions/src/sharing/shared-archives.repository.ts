import { Injectable } from '@nestjs/common';
import { Database, type StoredBlob } from '#platform';
import type { SessionVersion } from '../sync/version.js';

/** What strangers get of each version of a session. */
@Injectable()
export class SharedArchivesRepository {
  constructor(private readonly db: Database) {}

  async find(versionId: string): Promise<(StoredBlob & { readonly release: string }) | null> {
    const [row] = await this.db.query<StoredBlob & { readonly release: string }>(
      'select release, digest, bytes::float8 as bytes from shared_archive where version_id = $1',
      [versionId],
    );
    return row ?? null;
  }

  /** Keeps the version from being purged until the transaction ends; false when it was. */
  async holdVersion({ id, sessionUid }: SessionVersion): Promise<boolean> {
    await this.db.query('select 1 from captured_session where uid = $1 for share', [sessionUid]);
    return (await this.db.query('select 1 from session_version where id = $1 for share', [id])).length > 0;
  }

  async set(versionId: string, release: string, { digest, bytes }: StoredBlob): Promise<void> {
    await this.db.query(
      `insert into shared_archive (version_id, release, digest, bytes) values ($1, $2, $3, $4)
       on conflict (version_id) do update set release = excluded.release, digest = excluded.digest, bytes = excluded.bytes`,
      [versionId, release, digest, bytes],
    );
  }
}
