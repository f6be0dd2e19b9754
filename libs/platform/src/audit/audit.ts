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
    await this.db.query(
      `insert into audit (account_id, actor_kind, actor_user_id, actor_key_id, action, subject_kind, subject_id, facts, address, request_id)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
      [
        subject.accountId,
        actor?.kind ?? 'system',
        actor?.userId ?? null,
        actor?.keyId ?? null,
        action,
        subject.kind,
        subject.id,
        facts,
        context?.address ?? null,
        context?.requestId ?? null,
      ],
    );
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
