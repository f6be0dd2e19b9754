import { Injectable } from '@nestjs/common';
import { Clock } from '#kernel';
import { Blobs, type Principal } from '#platform';
import { CEILINGS } from '../archive/archive-limits.js';
import { Archives } from '../archive/archives.js';
import { DlpGate } from '../dlp/dlp-gate.service.js';
import { type OrgPolicy, resultsOf, rulesOf } from '../dlp/dlp-policy.js';
import { type SessionEdit, SessionsRepository } from '../sessions.repository.js';
import type { Received } from '../sync/archive-intake.service.js';
import { UploadSlots } from '../sync/upload-slots.js';
import type { SessionVersion } from '../sync/version.js';
import { VersionsRepository } from '../sync/versions.repository.js';

/** What a claimer's organisation found in the version that was looked at. */
export interface ScreenedVersion {
  readonly versionId: string;
  readonly received: Received;
  /** Whether it may be had only as it was written anew. */
  readonly isRedacted: boolean;
  /** Title and tags that its owner has set, as the copy may have them. */
  readonly edit: SessionEdit;
}

/** What was accepted once is read again, whatever plan its owner has by now. */
const LIMITS = { archiveBytes: Infinity, memberBytes: CEILINGS.memberBytes, canUpgrade: false };

/** Holds what is claimed to the policy of who claims it: a copy gets past no search that a push would meet. */
@Injectable()
export class ClaimScreening {
  constructor(
    private readonly versions: VersionsRepository,
    private readonly sessions: SessionsRepository,
    private readonly dlp: DlpGate,
    private readonly archives: Archives,
    private readonly blobs: Blobs,
    private readonly slots: UploadSlots,
    private readonly clock: Clock,
  ) {}

  /**
   * Outside any transaction. Gives `use` what was found in the session's current version, durable if it had to be written
   * anew; null without a policy or a session. It costs what a push costs, and takes one of its slots. Errors: `forbidden`
   * (`dlp_blocked`), `unprocessable` (`dlp_pattern_too_slow`), `rate_limited`.
   */
  async screen<Result>(
    caller: Principal,
    sessionUid: string,
    use: (screened: ScreenedVersion | null) => Promise<Result>,
  ): Promise<Result> {
    const policy = await this.dlp.policyFor(caller);
    const version = policy && (await this.versions.findShown(sessionUid));
    if (!policy || !version) return use(null);
    return this.slots.run(caller.userId, async () => {
      const received = await this.read(version, policy);
      try {
        const isRedacted = received.archive.digest !== version.archiveDigest;
        if (isRedacted) await this.archives.keep(received);
        const edit = await this.dlp.screenEdit(caller, await this.sessions.findOwnWords(sessionUid));
        return await use({ versionId: version.id, received, isRedacted, edit });
      } finally {
        await this.archives.drop(received);
      }
    });
  }

  private async read({ archiveDigest }: SessionVersion, policy: OrgPolicy): Promise<Received> {
    const source = await this.blobs.open(archiveDigest);
    try {
      const reading = await this.archives.receive(source, LIMITS, rulesOf(policy));
      return { ...reading, scan: reading.dlp && resultsOf(policy, policy.orgId, reading.dlp, this.clock.date()) };
    } finally {
      source.destroy();
    }
  }
}
