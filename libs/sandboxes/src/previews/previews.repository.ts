import { Injectable } from '@nestjs/common';
import { Database } from '#platform';
import type { PreviewKind } from './preview.js';

export interface PreviewRecord {
  readonly kind: PreviewKind;
  readonly executionId: string;
  readonly packagePath: string | null;
  readonly port: number;
}

/** Every query on previews: which command is one. That it lives is its command's lease to say. */
@Injectable()
export class PreviewsRepository {
  constructor(private readonly db: Database) {}

  /** Those of a sandbox whose commands run, in whichever process. */
  findLive(sandboxId: string): Promise<PreviewRecord[]> {
    return this.db.query<PreviewRecord>(
      `select p.kind, p.execution_id as "executionId", p.package_path as "packagePath", p.port
         from sandbox_preview p join execution e on e.id = p.execution_id
        where p.sandbox_id = $1 and e.ended_at is null and e.lease_expires_at > now()`,
      [sandboxId],
    );
  }

  /** In the place of the one before. */
  async put(sandboxId: string, { kind, executionId, packagePath, port }: PreviewRecord): Promise<void> {
    await this.db.query(
      `insert into sandbox_preview (sandbox_id, kind, execution_id, package_path, port) values ($1, $2, $3, $4, $5)
       on conflict (sandbox_id, kind) do update
         set execution_id = excluded.execution_id, package_path = excluded.package_path, port = excluded.port`,
      [sandboxId, kind, executionId, packagePath, port],
    );
  }

  async setPort(executionId: string, port: number): Promise<void> {
    await this.db.query('update sandbox_preview set port = $2 where execution_id = $1', [executionId, port]);
  }
}
