import { Injectable } from '@nestjs/common';
import type { Principal } from '../access/principal.js';
import { Database } from '../database/database.js';
import { currentContext } from '../http/request-context.js';

export interface AuditSubject {
  readonly accountId: string | null;
  readonly kind: string;
  readonly id: string;
}

/** Writes who did what, from where. `record` belongs into the transaction of the effect. */
@Injectable()
export class Audit {
  constructor(private readonly db: Database) {}

  /** `action` is `resource.verb`; `facts` are small, typed and free of secrets. A null actor is the system itself. */
  async record(
    actor: Principal | null,
    action: string,
    subject: AuditSubject,
    facts: Record<string, unknown> = {},
  ): Promise<void> {
    const context = currentContext();
    await this.db.append('audit', {
      account_id: subject.accountId,
      actor_kind: actor?.kind ?? 'system',
      actor_user_id: actor?.userId ?? null,
      actor_key_id: actor?.keyId ?? null,
      action,
      subject_kind: subject.kind,
      subject_id: subject.id,
      facts,
      address: context?.address ?? null,
      request_id: context?.requestId ?? null,
    });
  }

  /** An administrator looks at what belongs to others. Written before the answer, which fails when this does. */
  async recordRead(actor: Principal, subject: AuditSubject, facts: Record<string, unknown> = {}): Promise<void> {
    await this.record(actor, 'admin_read', subject, facts);
  }

  /** A refused request of an identified caller; written on its own, since there is no effect to join. */
  async denied(actor: Principal, facts: { rule: string; route: string }): Promise<void> {
    await this.db.detached(() =>
      this.record(
        actor,
        'access.denied',
        { accountId: actor.accountId, kind: 'route', id: facts.route },
        { rule: facts.rule },
      ),
    );
  }
}
