import { Injectable } from '@nestjs/common';
import { Database } from '#platform';
import type { OwnerTransfer, OwnerTransferStatus } from './owner-transfer.js';

type Row = Omit<OwnerTransfer, 'id'> & { readonly id: string };

const COLUMNS = `id, org_id as "orgId", from_user_id as "fromUserId", to_user_id as "toUserId", status,
  created_at as "createdAt", expires_at as "expiresAt"`;

/** Every query on owner transfers. */
@Injectable()
export class OwnerTransfersRepository {
  constructor(private readonly db: Database) {}

  async insert(transfer: Omit<OwnerTransfer, 'id' | 'status'>): Promise<OwnerTransfer> {
    const { orgId, fromUserId, toUserId, createdAt, expiresAt } = transfer;
    const [row] = await this.db.query<Row>(
      `insert into owner_transfer (org_id, from_user_id, to_user_id, status, created_at, expires_at)
       values ($1, $2, $3, 'pending', $4, $5) returning ${COLUMNS}`,
      [orgId, fromUserId, toUserId, createdAt, expiresAt],
    );
    return toTransfer(row!);
  }

  async find(orgId: string, id: number): Promise<OwnerTransfer | null> {
    const [row] = await this.db.query<Row>(`select ${COLUMNS} from owner_transfer where org_id = $1 and id = $2`, [
      orgId,
      id,
    ]);
    return row ? toTransfer(row) : null;
  }

  async findPending(orgId: string): Promise<OwnerTransfer | null> {
    const [row] = await this.db.query<Row>(
      `select ${COLUMNS} from owner_transfer where org_id = $1 and status = 'pending'`,
      [orgId],
    );
    return row ? toTransfer(row) : null;
  }

  async setStatus(id: number, status: OwnerTransferStatus): Promise<void> {
    await this.db.query('update owner_transfer set status = $2 where id = $1', [id, status]);
  }

  /** Cancels what is pending for a person; answers the ids. */
  async cancelTo(orgId: string, userId: string): Promise<number[]> {
    const rows = await this.db.query<{ id: string }>(
      `update owner_transfer set status = 'cancelled'
        where org_id = $1 and to_user_id = $2 and status = 'pending' returning id`,
      [orgId, userId],
    );
    return rows.map(({ id }) => Number(id));
  }

  /** Organisations with a pending transfer whose time is over. */
  async listDue(now: Date, limit: number): Promise<string[]> {
    const rows = await this.db.query<{ orgId: string }>(
      `select org_id as "orgId" from owner_transfer where status = 'pending' and expires_at <= $1 limit $2`,
      [now, limit],
    );
    return rows.map(({ orgId }) => orgId);
  }
}

function toTransfer(row: Row): OwnerTransfer {
  return { ...row, id: Number(row.id) };
}
