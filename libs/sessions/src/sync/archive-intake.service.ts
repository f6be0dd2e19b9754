import type { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { VerifiedEmail } from '#accounts';
import { Clock } from '#kernel';
import type { Principal } from '#platform';
import { type ArchiveLimits, archiveTooLarge } from '../archive/archive-limits.js';
import { Archives } from '../archive/archives.js';
import type { ArchiveReading } from '../archive/read-archive.js';
import type { CapturedSession } from '../captured-session.js';
import { DlpGate } from '../dlp/dlp-gate.service.js';
import { type DlpPolicy, type DlpScanResults, policyOfCaptures, resultsOf, rulesOf } from '../dlp/dlp-policy.js';
import { SessionsRepository } from '../sessions.repository.js';
import type { Depositor } from './depositor.js';
import { PushPlan } from './push-plan.js';
import { SessionVersionsService } from './session-versions.service.js';
import { UploadSlots } from './upload-slots.js';

/** Opens the body and gives its file to `use`, while it arrives. */
export type Upload = (use: (file: Readable) => Promise<ArchiveReading>) => Promise<ArchiveReading>;

export interface Delivery {
  readonly upload: Upload;
  /** Content-Length of the request; null when it is chunked. */
  readonly announcedBytes: number | null;
  /** What else can be refused without the body. */
  readonly check?: () => Promise<void>;
}

/** An archive that was let in, with what the policy it fell under found in it; null without a policy. */
export interface Received extends ArchiveReading {
  readonly scan: DlpScanResults | null;
}

interface IntakeTerms {
  readonly limits: ArchiveLimits;
  readonly policy: DlpPolicy | null;
  /** Whose policy it is; null when it is nobody's, and there is nothing to report. */
  readonly orgId: string | null;
}

/** The one door by which archives come in from clients: whatever holds for every writer is seen to here. */
@Injectable()
export class ArchiveIntake {
  constructor(
    private readonly archives: Archives,
    private readonly versions: SessionVersionsService,
    private readonly plan: PushPlan,
    private readonly slots: UploadSlots,
    private readonly verified: VerifiedEmail,
    private readonly dlp: DlpGate,
    private readonly sessions: SessionsRepository,
    private readonly clock: Clock,
  ) {}

  /**
   * Receives an archive under the caller's plan and their organisation's policy, and gives what was read to `use`, which
   * keeps it or lets it go. The body is opened only once everything that can be refused without it was. Errors: `forbidden` (also `dlp_blocked`),
   * `rate_limited`, `payload_too_large`, `bad_request`, `unprocessable` (`dlp_pattern_too_slow`).
   */
  receive<Result>(
    caller: Principal,
    { upload, announcedBytes, check }: Delivery,
    use: (received: Received) => Promise<Result>,
  ): Promise<Result> {
    return this.slots.run(caller.userId, async () => {
      await this.verified.assertOf(caller);
      const limits = await this.plan.limitsOf(caller);
      if (announcedBytes !== null && announcedBytes > limits.archiveBytes) throw archiveTooLarge(limits);
      await check?.();
      const policy = await this.dlp.policyFor(caller);
      return this.read(upload, { limits, policy, orgId: policy?.orgId ?? null }, use);
    });
  }

  /**
   * As `receive`, of what the server records by itself for a person: of that secrets are taken out whatever the policy
   * says. Waits for none of their uploads. Errors: as `receive`.
   */
  async capture<Result>(
    owner: Depositor,
    archive: Readable,
    use: (received: Received) => Promise<Result>,
  ): Promise<Result> {
    await this.verified.assertOf(owner);
    const limits = await this.plan.limitsOfOwner(owner);
    const policy = await this.dlp.policyFor(owner);
    const terms = { limits, policy: policyOfCaptures(policy), orgId: policy?.orgId ?? null };
    return this.read((take) => take(archive), terms, use);
  }

  /** Makes it durable; before the transaction that adds it. */
  keep(reading: ArchiveReading): Promise<void> {
    return this.archives.keep(reading);
  }

  /**
   * Adds what was kept as the session's newest version, and the session if `current` is null; late in the caller's
   * transaction, which holds the session's row. Errors: `conflict`, `forbidden` (`storage_limit`).
   */
  async add(
    caller: Depositor,
    id: string,
    current: CapturedSession | null,
    received: Received,
    clientDevice: string | null,
  ): Promise<CapturedSession> {
    const session = await this.versions.add(caller, id, current, received, clientDevice);
    const { archive, conversation, scan } = received;
    if (scan !== null || session.dlpScanResults !== null) await this.sessions.noteScan(session.uid, scan);
    await this.plan.reserve(caller, session.uid, archive.bytes + (conversation.log?.bytes ?? 0));
    return { ...session, dlpScanResults: scan };
  }

  private async read<Result>(
    upload: Upload,
    { limits, policy, orgId }: IntakeTerms,
    use: (received: Received) => Promise<Result>,
  ): Promise<Result> {
    const rules = policy && rulesOf(policy);
    const reading = await upload((file) => this.archives.receive(file, limits, rules));
    try {
      const { dlp } = reading;
      const scan = policy && dlp && orgId !== null ? resultsOf(policy, orgId, dlp, this.clock.date()) : null;
      return await use({ ...reading, scan });
    } finally {
      await this.archives.drop(reading);
    }
  }

  /** Says of a session whose content was just pushed again what was found in it this time. */
  async noteScan({ uid, dlpScanResults }: CapturedSession, { scan }: Received): Promise<void> {
    const { findings_count: count, mode } = dlpScanResults ?? {};
    if (scan && (scan.findings_count !== count || scan.mode !== mode)) await this.sessions.noteScan(uid, scan);
  }
}
