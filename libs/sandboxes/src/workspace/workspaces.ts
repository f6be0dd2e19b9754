import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Injectable } from '@nestjs/common';
import { AppConfig } from '#platform';
import { OWN_DIRECTORIES } from '../scope/file-access.js';
import { Directory } from './directory.js';

/** Where uploads grow until they are whole. Not an id of a sandbox, so no sandbox ever sees it. */
const UPLOADS = '.uploads';

/** The workspace of every account: one folder, shared by its sandboxes as far as their scopes go. */
@Injectable()
export class Workspaces {
  private readonly root: string;
  private readonly known = new Set<string>();

  constructor(config: AppConfig) {
    this.root = resolve(config.DATA_DIR, 'workspaces');
  }

  /** Absolute path on this machine; nothing a user says is part of it. */
  pathOf(accountId: string): string {
    return join(this.root, accountId);
  }

  /** The workspace's root with the sandbox's own directory in it, both made when missing. */
  async open(accountId: string, sandboxId: string): Promise<Directory> {
    await this.make(accountId, join(OWN_DIRECTORIES, sandboxId));
    return Directory.at(this.pathOf(accountId));
  }

  /** On the workspace's file system, so that a finished upload is one rename away from its place. */
  async openUploads(accountId: string): Promise<Directory> {
    await this.make(accountId, join(OWN_DIRECTORIES, UPLOADS));
    return Directory.at(join(this.pathOf(accountId), OWN_DIRECTORIES, UPLOADS));
  }

  private async make(accountId: string, folder: string): Promise<void> {
    const path = join(this.pathOf(accountId), folder);
    if (this.known.has(path)) return;
    await mkdir(path, { recursive: true });
    if (this.known.size > 10_000) this.known.clear();
    this.known.add(path);
  }
}
