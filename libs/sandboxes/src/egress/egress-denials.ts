import { Injectable, Logger } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Database } from '#platform';
import { SandboxJournal } from '../sandbox-journal.js';
import { SANDBOX_EGRESS_DENIED } from '../sandboxes.events.js';
import { SandboxesRepository } from '../sandboxes.repository.js';

const WINDOW_MS = 60_000;
/** Different targets of one sandbox that are put on record in a minute; a program in it can ask for thousands. */
const MAX_TARGETS = 20;

/** Puts on record what sandboxes were not let to: each target once a minute. */
@Injectable()
export class EgressDenials {
  private readonly log = new Logger(EgressDenials.name);
  private readonly recent = new LRUCache<string, Set<string>>({ max: 10_000, ttl: WINDOW_MS });

  constructor(
    private readonly db: Database,
    private readonly sandboxes: SandboxesRepository,
    private readonly journal: SandboxJournal,
  ) {}

  /** Never fails: the denial stands whether or not it can be written down. */
  async record(sandboxId: string, target: string, reason: string): Promise<void> {
    if (!this.isNew(sandboxId, target)) return;
    this.log.warn({ msg: 'a sandbox was refused the network', sandbox: sandboxId, target, reason });
    try {
      const accountId = await this.sandboxes.findAccount(sandboxId);
      if (accountId === null) return;
      const what = { event: SANDBOX_EGRESS_DENIED, action: 'sandbox.egress-denied' };
      const facts = { target, reason };
      await this.db.transaction(() => this.journal.record(null, { id: sandboxId, accountId }, what, facts));
    } catch (error) {
      this.log.error({ msg: 'a refusal could not be put on record', sandbox: sandboxId, err: error });
    }
  }

  private isNew(sandboxId: string, target: string): boolean {
    const targets = this.recent.get(sandboxId) ?? new Set();
    if (targets.has(target) || targets.size >= MAX_TARGETS) return false;
    // The time of the first of them counts: a window that moved along would never end.
    if (targets.size === 0) this.recent.set(sandboxId, targets);
    targets.add(target);
    return true;
  }
}
