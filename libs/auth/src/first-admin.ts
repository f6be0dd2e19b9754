import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { AccountsService, UsersService } from '#accounts';
import { AppConfig, Database } from '#platform';
import { KeysService } from './keys/keys.service.js';

/** On the first start: a platform administrator whose key is written to DATA_DIR/admin.key (0600). */
@Injectable()
export class FirstAdmin implements OnApplicationBootstrap {
  private readonly log = new Logger(FirstAdmin.name);

  constructor(
    private readonly db: Database,
    private readonly accounts: AccountsService,
    private readonly users: UsersService,
    private readonly keys: KeysService,
    private readonly config: AppConfig,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.db.transaction(async () => {
      if (await this.accounts.hasAdminLocked()) return;
      const { user } = await this.users.create({ email: 'admin@localhost', isAdmin: true, emailVerified: true });
      const { raw } = await this.keys.mint(user, { name: 'first admin key' });
      // Before the commit: a crash in between leaves a key that never worked, and the next start writes a new one.
      writeSecret(this.config.DATA_DIR, 'admin.key', raw);
      this.log.log({ msg: 'first administrator created', user: user.id });
    });
  }
}

function writeSecret(folder: string, name: string, secret: string): void {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, name);
  const temporary = `${path}.${process.pid}.tmp`;
  const file = openSync(temporary, 'w', 0o600);
  writeSync(file, `${secret}\n`);
  fsyncSync(file);
  closeSync(file);
  renameSync(temporary, path);
}
