import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { EffectiveTier, hasFeature } from '#accounts';
import { DomainError } from '#kernel';
import { Database, EventConsumers } from '#platform';
import { countMessages } from '../archive/message-log.js';
import type { CapturedSession } from '../captured-session.js';
import { NO_WISH } from '../models/judge-settings.js';
import { SESSION_AUDIT_FAILED, SESSION_AUDITED, SESSION_PUSHED } from '../sessions.events.js';
import { SessionsRepository } from '../sessions.repository.js';
import { TriggersService } from '../settings/triggers.service.js';
import { SessionVersionsService } from '../sync/session-versions.service.js';
import { AuditStarts } from './audit-starts.js';
import { JudgeChoice } from './judge-choice.js';

/**
 * Audits what people push who have set their trigger to `on_sync`, and whose plan has it. The end of an audit is a reason
 * to look, too: what was pushed while it ran has none yet. `on_pr` waits for the integrations that know of them.
 */
@Injectable()
export class AuditOnSync implements OnModuleInit {
  private readonly log = new Logger(AuditOnSync.name);

  constructor(
    private readonly consumers: EventConsumers,
    private readonly db: Database,
    private readonly sessions: SessionsRepository,
    private readonly versions: SessionVersionsService,
    private readonly triggers: TriggersService,
    private readonly tiers: EffectiveTier,
    private readonly choice: JudgeChoice,
    private readonly starts: AuditStarts,
  ) {}

  onModuleInit(): void {
    this.consumers.register({
      name: 'sessions.audit-on-sync',
      types: [SESSION_PUSHED, SESSION_AUDITED, SESSION_AUDIT_FAILED],
      from: 'now',
      handle: ({ subjectId }) => this.look(subjectId),
    });
  }

  private async look(uid: string): Promise<void> {
    const session = await this.sessions.findByUid(uid);
    if (!session || session.deletedAt !== null || !(await this.isWanted(session))) return;
    try {
      const judge = await this.choice.of(session.userId, NO_WISH);
      await this.db.transaction(() => this.starts.pushed(session, judge));
    } catch (error) {
      // Settings of one person that cannot be used must not hold up everybody's audits.
      if (!(error instanceof DomainError)) throw error;
      this.log.warn({ msg: 'a pushed session is not audited', session: uid, reason: error.reason ?? error.code });
    }
  }

  private async isWanted(session: CapturedSession): Promise<boolean> {
    if ((await this.triggers.get(session.userId, 'audit')) !== 'on_sync') return false;
    if (!hasFeature(await this.tiers.ofOwner(session), 'auto_audit')) return false;
    return countMessages((await this.versions.current(session)).messagesIndex) > 0;
  }
}
