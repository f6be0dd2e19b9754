import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { EffectiveTier, hasFeature } from '#accounts';
import { DomainError } from '#kernel';
import { Database, EventConsumers } from '#platform';
import { countMessages } from '../archive/message-log.js';
import type { CapturedSession } from '../captured-session.js';
import { NO_WISH } from '../models/judge-settings.js';
import { SESSION_AUDIT_FAILED, SESSION_AUDITED, SESSION_IN_PULL_REQUEST, SESSION_PUSHED } from '../sessions.events.js';
import { SessionsRepository } from '../sessions.repository.js';
import type { Trigger } from '../settings/settings.repository.js';
import { TriggersService } from '../settings/triggers.service.js';
import { SessionVersionsService } from '../sync/session-versions.service.js';
import { AuditStarts } from './audit-starts.js';
import { JudgeChoice } from './judge-choice.js';

/**
 * Audits what people push who have set their trigger to `on_sync`, and what pull requests are about of those who have set
 * it to `on_pr`, if their plan has it. The end of an audit is a reason to look, too: what was pushed while it ran has none
 * yet.
 */
@Injectable()
export class AuditTriggers implements OnModuleInit {
  private readonly log = new Logger(AuditTriggers.name);

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
      name: 'sessions.audit-by-trigger',
      types: [SESSION_PUSHED, SESSION_IN_PULL_REQUEST, SESSION_AUDITED, SESSION_AUDIT_FAILED],
      from: 'now',
      handle: ({ type, subjectId }) => this.look(subjectId, type === SESSION_IN_PULL_REQUEST ? 'on_pr' : 'on_sync'),
    });
  }

  private async look(uid: string, trigger: 'on_sync' | 'on_pr'): Promise<void> {
    const session = await this.sessions.findByUid(uid);
    if (!session || session.deletedAt !== null || !(await this.isWanted(session, trigger))) return;
    try {
      const judge = await this.choice.of(session.userId, NO_WISH);
      await this.db.transaction(() => this.starts.triggered(session, judge, trigger));
    } catch (error) {
      // Settings of one person that cannot be used must not hold up everybody's audits.
      if (!(error instanceof DomainError)) throw error;
      this.log.warn({ msg: 'a session is not audited by itself', session: uid, reason: error.reason ?? error.code });
    }
  }

  private async isWanted(session: CapturedSession, trigger: Trigger): Promise<boolean> {
    if ((await this.triggers.get(session.userId, 'audit')) !== trigger) return false;
    if (!hasFeature(await this.tiers.ofOwner(session), 'auto_audit')) return false;
    return countMessages((await this.versions.current(session)).messagesIndex) > 0;
  }
}
