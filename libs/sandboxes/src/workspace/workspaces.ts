import { lchown, mkdir, opendir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { geteuid } from 'node:process';
import { Injectable } from '@nestjs/common';
import { AppConfig } from '#platform';
import { NOBODY } from '../scope/access-scope.js';
import { OWN_DIRECTORIES } from '../scope/file-access.js';
import { Directory } from './directory.js';

/** Where uploads grow until they are whole. Not an id of a sandbox, so no sandbox ever sees it. */
export const UPLOADS = '.uploads';
/** How long they stay there at least: no upload takes so long. */
export const UPLOADS_KEPT_MS = 24 * 3_600_000;
/** Where the account's skills are. Nor is this one. */
export const SKILLS = '.skills';

/** The workspace of every account: one folder, shared by its sandboxes as far as their scopes go. */
@Injectable()
export class Workspaces {
  /** The folder of all of them. */
  readonly root: string;
  private readonly known = new Set<string>();

  constructor(private readonly config: AppConfig) {
    this.root = resolve(config.DATA_DIR, 'workspaces');
  }

  /** Absolute path on this machine; nothing a user says is part of it. */
  pathOf(accountId: string): string {
    return join(this.root, accountId);
  }

  /** The workspace's root with the sandbox's own directory in it, both made when missing; for NOBODY only the root. */
  async open(accountId: string, sandboxId: string): Promise<Directory> {
    await (sandboxId === NOBODY ? this.prepare(accountId) : this.make(accountId, sandboxId));
    return Directory.at(this.pathOf(accountId));
  }

  /** On the workspace's file system, so that a finished upload is one rename away from its place. */
  openUploads(accountId: string): Promise<Directory> {
    return this.openBeside(accountId, UPLOADS);
  }

  openSkills(accountId: string): Promise<Directory> {
    return this.openBeside(accountId, SKILLS);
  }

  /**
   * Gives what the server has made in a workspace, links as such, to the user that sandboxes run as. For whoever knows
   * that no sandbox sees it yet.
   */
  async handOver(path: string): Promise<void> {
    if (!this.isOthers) return;
    const { SANDBOX_UID: uid } = this.config;
    const directories = [path];
    for (let directory = directories.pop(); directory !== undefined; directory = directories.pop()) {
      await lchown(directory, uid, uid);
      for await (const entry of await opendir(directory)) {
        const below = join(directory, entry.name);
        if (entry.isDirectory()) directories.push(below);
        else await lchown(below, uid, uid);
      }
    }
  }

  /** The account's folder and the one of own directories in it. */
  async prepare(accountId: string): Promise<void> {
    const path = this.pathOf(accountId);
    if (this.known.has(path)) return;
    await mkdir(this.root, { recursive: true, mode: 0o711 });
    for (const folder of [path, join(path, OWN_DIRECTORIES)]) {
      await mkdir(folder, { recursive: true });
      if (this.isOthers) await lchown(folder, this.config.SANDBOX_UID, this.config.SANDBOX_UID);
    }
    this.remember(path);
  }

  private async openBeside(accountId: string, name: string): Promise<Directory> {
    await this.make(accountId, name);
    return Directory.at(join(this.pathOf(accountId), OWN_DIRECTORIES, name));
  }

  private async make(accountId: string, name: string): Promise<void> {
    const path = join(this.pathOf(accountId), OWN_DIRECTORIES);
    if (this.known.has(join(path, name))) return;
    await this.prepare(accountId);
    const directories = await Directory.at(path);
    await directories.makeDirectory(name).finally(() => directories.close());
    this.remember(join(path, name));
  }

  private remember(path: string): void {
    if (this.known.size > 10_000) this.known.clear();
    this.known.add(path);
  }

  /** The user whom all that is in workspaces belongs to; null for the server's own. */
  get ownerUid(): number | null {
    return this.isOthers ? this.config.SANDBOX_UID : null;
  }

  /** Root may give files away, and has to: its sandboxes are another user. */
  private get isOthers(): boolean {
    return geteuid!() === 0;
  }
}
