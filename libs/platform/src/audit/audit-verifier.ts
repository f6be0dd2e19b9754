import { Injectable } from '@nestjs/common';
import { AuditChainsRepository, type StoredLedger, type StoredSeal } from './audit-chains.repository.js';
import type { SignedHead } from './audit-seals.repository.js';
import { genesisOf, headStatement, ledgerStatement, PLATFORM_CHAIN, sealHash } from './seal.js';

/** One thing that is not as it was sealed. `auditId` names the row, where there is one. */
export interface AuditProblem {
  readonly kind:
    | 'altered'
    | 'missing'
    | 'gap'
    | 'truncated'
    | 'no_head'
    | 'wrong_signature'
    | 'not_sealed'
    | 'wrong_total'
    | 'wrong_ledger_signature';
  readonly chain: string | null;
  readonly auditId: string | null;
  readonly text: string;
}

export interface ChainReport {
  readonly chain: string;
  /** Sequence numbers and row ids of the sealed range. */
  readonly sealed: number;
  readonly firstId: string | null;
  readonly lastId: string | null;
}

export interface VerifyOptions {
  /** Only this account's chain; the total over all chains and foreign rows are not looked at then. */
  readonly accountSlug?: string;
  readonly isSigned: (statement: string, signature: Buffer) => boolean;
  readonly onChain: (report: ChainReport) => void;
  readonly onProblem: (problem: AuditProblem) => void;
}

export interface VerifySummary {
  readonly chains: number;
  readonly sealed: number;
  readonly unsealed: number;
  readonly problems: number;
}

const PIECE = 1_000;

/** Recomputes the chains from the audit rows and says everything that differs. Reads in pieces, writes nothing. */
@Injectable()
export class AuditVerifier {
  constructor(private readonly chains: AuditChainsRepository) {}

  /** @throws Error when `accountSlug` names no account */
  async verify(options: VerifyOptions): Promise<VerifySummary> {
    const run = new Run(this.chains, options);
    // First: what is sealed later is not looked at, so the sealer may go on meanwhile.
    const ledger = await this.chains.findLedger();
    const only = options.accountSlug === undefined ? null : await this.chains.findChainOf(options.accountSlug);
    if (options.accountSlug !== undefined && only === null)
      throw new Error(`No account is called ${options.accountSlug}`);
    if (only === null) {
      run.checkLedger(ledger);
      await run.allChains();
    } else {
      await run.oneChain(only, await this.chains.findHead(only));
    }
    await run.strays(ledger ?? { xid: '0', id: '0' }, only);
    return run.summary;
  }
}

class Run {
  private counts = { chains: 0, sealed: 0, unsealed: 0, problems: 0 };

  constructor(
    private readonly chains: AuditChainsRepository,
    private readonly options: VerifyOptions,
  ) {}

  get summary(): VerifySummary {
    return this.counts;
  }

  checkLedger(ledger: StoredLedger | null): void {
    if (!ledger) return this.problem('wrong_total', null, null, 'the ledger over all chains is gone');
    const { sealed, chained, signature, xid, id } = ledger;
    if (signature === null) {
      if (chained !== '0' || sealed !== '0') {
        this.problem('wrong_ledger_signature', null, null, 'the ledger over all chains is not signed');
      }
      return;
    }
    if (!this.options.isSigned(ledgerStatement(sealed, xid, id), signature)) {
      this.problem('wrong_ledger_signature', null, null, "the ledger's signature is not by this server's key");
    }
    if (sealed !== chained) {
      this.problem(
        'wrong_total',
        null,
        null,
        `${sealed} rows were sealed, the chains hold ${chained}: some were cut or removed`,
      );
    }
  }

  async allChains(): Promise<void> {
    for (let after: string | null = null; ;) {
      const heads: SignedHead[] = await this.chains.listHeads(after, PIECE);
      for (const head of heads) await this.oneChain(head.chain, head);
      const last = heads.at(-1);
      if (!last) break;
      after = last.chain;
    }
    for (const chain of await this.chains.listHeadless(PIECE)) await this.oneChain(chain, null);
  }

  async oneChain(chain: string, head: SignedHead | null): Promise<void> {
    const upTo = head?.seq ?? String(2n ** 62n);
    let previous: Previous = { seq: '0', hash: genesisOf(chain) };
    let [sealed, firstId, lastId]: [number, string | null, string | null] = [0, null, null];
    for (;;) {
      const seals = await this.chains.listSeals(chain, previous.seq, upTo, PIECE);
      for (const seal of seals) {
        this.checkSeal(chain, previous, seal);
        previous = seal;
      }
      sealed += seals.length;
      firstId ??= seals[0]?.auditId ?? null;
      lastId = seals.at(-1)?.auditId ?? lastId;
      if (seals.length < PIECE) break;
    }
    this.checkHead(chain, previous, head);
    if (sealed === 0 && !head) return;
    this.counts.chains += 1;
    this.counts.sealed += sealed;
    this.options.onChain({ chain, sealed, firstId, lastId });
  }

  /** Rows without a seal: the tail the sealer has not come to, and those it should have. */
  async strays(ledger: Pick<StoredLedger, 'xid' | 'id'>, only: string | null): Promise<void> {
    for (let after = '0'; ;) {
      const { lastId, strays } = await this.chains.listStrays(after, ledger, PIECE);
      for (const { id, chain, isOverdue } of strays) {
        if (only !== null && chain !== only) continue;
        if (isOverdue) this.problem('not_sealed', chain, id, 'has no seal, though later rows have');
        else this.counts.unsealed += 1;
      }
      if (lastId === null) return;
      after = lastId;
    }
  }

  /** Each row is judged on the stored hash before it, so that one altered row does not accuse those after it. */
  private checkSeal(chain: string, previous: Previous, seal: StoredSeal): void {
    const { seq, auditId, entry, hash, signature } = seal;
    const isNext = BigInt(seq) === BigInt(previous.seq) + 1n;
    if (!isNext) {
      this.problem('gap', chain, null, `seals ${BigInt(previous.seq) + 1n} to ${BigInt(seq) - 1n} are gone`);
    }
    if (entry === null) this.problem('missing', chain, auditId, 'the row is gone');
    // After a gap there is nothing to judge a row on; the gap is reported.
    else if (isNext && !sealHash(previous.hash, entry).equals(hash)) {
      this.problem('altered', chain, auditId, 'the row is not what was sealed');
    }
    if (signature !== null && !this.options.isSigned(headStatement(chain, seq, hash), signature)) {
      this.problem('wrong_signature', chain, auditId, `the seal ${seq} is not signed by this server's key`);
    }
  }

  private checkHead(chain: string, last: Previous, head: SignedHead | null): void {
    if (!head) {
      if (last.seq !== '0') this.problem('no_head', chain, null, 'the head of the chain is gone');
      return;
    }
    if (last.seq !== head.seq) {
      this.problem('truncated', chain, null, `the chain ends at ${last.seq}, its head is ${head.seq}`);
    } else if (!last.hash.equals(head.hash)) {
      this.problem('truncated', chain, null, 'the head is not the last seal of the chain');
    }
    if (!this.options.isSigned(headStatement(chain, head.seq, head.hash), head.signature)) {
      this.problem('wrong_signature', chain, null, "the head's signature is not by this server's key");
    }
  }

  private problem(kind: AuditProblem['kind'], chain: string | null, auditId: string | null, text: string): void {
    this.counts.problems += 1;
    this.options.onProblem({ kind, chain: chain === PLATFORM_CHAIN ? 'platform' : chain, auditId, text });
  }
}

interface Previous {
  readonly seq: string;
  readonly hash: Buffer;
}
