import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { AppConfig } from '../config/app-config.js';
import { Database } from '../database/database.js';
import {
  AuditSealsRepository,
  type Head,
  type Ledger,
  type NewSeal,
  type SignedHead,
  type UnsealedRow,
} from './audit-seals.repository.js';
import { genesisOf, headStatement, ledgerStatement, sealHash } from './seal.js';
import { AuditSigningKey } from './signing-key.js';

const ROUND_MS = 400;
/** Rows per transaction: hashing them takes about a millisecond of the main thread. */
const BATCH = 250;
const SIGNED_AT_ONCE = 16;

/**
 * Chains audit rows per account, in the order their transactions became visible, within a second of their commit.
 * Every process that runs jobs tries; the lock on the ledger's row lets one work at a time, and each batch is one
 * transaction, so a crash anywhere leaves whole chains.
 */
@Injectable()
export class AuditSealer implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger(AuditSealer.name);
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;
  private isStopped = false;

  constructor(
    private readonly db: Database,
    private readonly seals: AuditSealsRepository,
    private readonly key: AuditSigningKey,
    private readonly config: AppConfig,
  ) {}

  onApplicationBootstrap(): void {
    if (this.config.APP_MODE !== 'api') this.schedule();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.isStopped = true;
    clearTimeout(this.timer);
    await this.running;
  }

  /** Seals what is settled. True when there may be more. Does nothing while another process seals. */
  sealBatch(limit = BATCH): Promise<boolean> {
    return this.db.transaction(async () => {
      const ledger = await this.seals.lockLedger();
      if (!ledger) return false;
      if (ledger.cluster !== ledger.currentCluster) return this.adopt(ledger, ledger.currentCluster, limit);
      const rows = await this.seals.listSettledAfter(ledger, limit);
      const last = rows.at(-1);
      if (!last) return false;
      const added = await this.chain(rows.filter((row) => !row.isSealed));
      await this.saveLedger({ ...ledger, xid: last.xid, id: last.id }, added);
      return rows.length === limit;
    });
  }

  private schedule(): void {
    if (this.isStopped) return;
    this.timer = setTimeout(() => {
      this.running = this.round().finally(() => this.schedule());
    }, ROUND_MS).unref();
  }

  private async round(): Promise<void> {
    try {
      if (!(await this.seals.isDue())) return;
      while (!this.isStopped && (await this.sealBatch()));
    } catch (error) {
      this.log.warn({ msg: 'audit rows could not be sealed; the next round tries again', err: error });
    }
  }

  /** The first batches on another database server than the last one's: what that one left, then all from the start. */
  private async adopt(ledger: Ledger, cluster: string, limit: number): Promise<boolean> {
    const rows = await this.seals.listForeignAfter(ledger, limit);
    const added = await this.chain(rows);
    const isDone = rows.length < limit;
    await this.saveLedger(isDone ? { ...ledger, cluster, xid: '0', id: '0' } : ledger, added);
    return true;
  }

  private async chain(rows: readonly UnsealedRow[]): Promise<number> {
    if (rows.length === 0) return 0;
    const heads = new Map(
      (await this.seals.findHeads([...new Set(rows.map((row) => row.chain))])).map((head) => [head.chain, head]),
    );
    const added = rows.map(({ id, chain, entry }): NewSeal => {
      const head = heads.get(chain);
      const hash = sealHash(head?.hash ?? genesisOf(chain), entry);
      const seal = { chain, seq: String(BigInt(head?.seq ?? 0) + 1n), hash, auditId: id, signature: null };
      heads.set(chain, seal);
      return seal;
    });
    const signed = await this.sign([...heads.values()]);
    const signatures = new Map(signed.map((head) => [`${head.chain} ${head.seq}`, head.signature]));
    await this.seals.insertSeals(
      added.map((seal) => ({ ...seal, signature: signatures.get(`${seal.chain} ${seal.seq}`) ?? null })),
    );
    await this.seals.saveHeads(signed);
    return rows.length;
  }

  /** A few at a time: libuv's threads serve the disk as well. */
  private async sign(heads: readonly Head[]): Promise<SignedHead[]> {
    const signed: SignedHead[] = [];
    for (let first = 0; first < heads.length; first += SIGNED_AT_ONCE) {
      const some = heads.slice(first, first + SIGNED_AT_ONCE).map(async (head) => {
        return { ...head, signature: await this.key.sign(headStatement(head.chain, head.seq, head.hash)) };
      });
      signed.push(...(await Promise.all(some)));
    }
    return signed;
  }

  private async saveLedger(ledger: Ledger, added: number): Promise<void> {
    const sealed = String(BigInt(ledger.sealed) + BigInt(added));
    const signature = await this.key.sign(ledgerStatement(sealed, ledger.xid, ledger.id));
    await this.seals.saveLedger({ ...ledger, sealed }, signature);
  }
}
