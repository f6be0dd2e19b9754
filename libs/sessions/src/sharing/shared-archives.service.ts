import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Blobs, Database, type StoredBlob, VERSION } from '#platform';
import type { OutwardRules } from '../conversation/secrets/outward.js';
import { Archives } from '../archive/archives.js';
import { sessionNotFound } from '../captured-session.js';
import { versionHolder } from '../sync/session-versions.service.js';
import type { SessionVersion } from '../sync/version.js';
import { SharedArchivesRepository } from './shared-archives.repository.js';

/** Archives without the secrets in them: made when the first stranger asks, then kept beside their version. */
@Injectable()
export class SharedArchives {
  private readonly making = new Map<string, Promise<StoredBlob>>();

  constructor(
    private readonly db: Database,
    private readonly blobs: Blobs,
    private readonly archives: Archives,
    private readonly shared: SharedArchivesRepository,
  ) {}

  /** The archive itself when there is nothing to hide in it. Errors: `not_found`, `unavailable`. */
  async of(version: SessionVersion, rules: OutwardRules | null): Promise<StoredBlob> {
    const release = releaseOf(rules);
    const known = await this.shared.find(version.id);
    if (known?.release === release) return known;
    // However many ask at once: two nodes would make the same bytes twice, nothing worse.
    const one = `${version.id} ${release}`;
    let making = this.making.get(one);
    if (!making) {
      making = this.make(version, rules).finally(() => this.making.delete(one));
      this.making.set(one, making);
    }
    return making;
  }

  private async make(version: SessionVersion, rules: OutwardRules | null): Promise<StoredBlob> {
    const spool = await this.archives.redact(version.archiveDigest, rules, version.manifestSessionId);
    const original = { digest: version.archiveDigest, bytes: version.archiveBytes };
    const made = spool ? await this.blobs.keep(spool) : original;
    await this.db.transaction(async () => {
      if (!(await this.shared.holdVersion(version))) throw sessionNotFound();
      const before = await this.shared.find(version.id);
      // Held by the version like its own blobs, so that whoever purges it lets go of all of them.
      const holder = versionHolder(version.id);
      if (before && ![made.digest, original.digest].includes(before.digest)) {
        await this.blobs.release(holder, before.digest);
      }
      await this.blobs.hold(made.digest, holder);
      await this.shared.set(version.id, releaseOf(rules), made);
    });
    return made;
  }
}

/** What is made by other rules, or by a release that knows other secrets, is made anew. */
function releaseOf(rules: OutwardRules | null): string {
  if (rules === null) return VERSION;
  return `${VERSION} ${createHash('sha256').update(JSON.stringify(rules)).digest('hex')}`;
}
