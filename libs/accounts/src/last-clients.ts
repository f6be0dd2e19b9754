import { Injectable } from '@nestjs/common';
import { Clock } from '#kernel';
import { Database } from '#platform';

/** The program somebody pushes sessions with, as it names itself. */
export interface ClientProgram {
  readonly version: string | null;
  readonly platform: string | null;
  readonly device: string | null;
}

export interface LastClient extends ClientProgram {
  readonly syncedAt: Date | null;
}

/** What each person last pushed a session with (sessionfs-1.md §3.4, §7.5). */
@Injectable()
export class LastClients {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
  ) {}

  /** Takes the place of what was known. */
  async record(userId: string, { version, platform, device }: ClientProgram): Promise<void> {
    await this.db.query(
      `update app_user set last_client_version = $2, last_client_platform = $3, last_client_device = $4,
         last_sync_at = $5 where id = $1`,
      [userId, version, platform, device, this.clock.date()],
    );
  }

  /** All null for who has pushed nothing yet. */
  async find(userId: string): Promise<LastClient> {
    const [row] = await this.db.query<LastClient>(
      `select last_client_version as version, last_client_platform as platform, last_client_device as device,
              last_sync_at as "syncedAt"
         from app_user where id = $1`,
      [userId],
    );
    return row ?? { version: null, platform: null, device: null, syncedAt: null };
  }
}
