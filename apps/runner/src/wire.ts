/**
 * The parameters and results of every operation, as this process speaks them. A deliberate twin of the client's
 * `operations.ts`: the runner imports the kernel and nothing else. `wire.spec.ts` does not compile when they differ.
 */
export interface GitOperations {
  'upload-pack': { params: UploadPack; result: never };
  'check-wants': { params: CheckWants; result: WantsVerdict };
  'index-pack': { params: IndexPack; result: IndexedPack };
  connectivity: { params: Connectivity; result: ConnectivityVerdict };
  'is-ancestor': { params: CommitPair; result: { isAncestor: boolean } };
  'merge-base': { params: CommitPair; result: { base: string | null } };
  maintenance: { params: Maintenance; result: MaintenanceReport };
  fsck: { params: Fsck; result: FsckReport };
  'count-objects': { params: InRepo; result: ObjectCount };
  'fast-import': { params: InRepo; result: never };
  'cat-file': { params: InRepo; result: never };
}

export type GitOperation = keyof GitOperations;

export interface InRepo {
  /** Absolute path of a bare repository below the runner's root. */
  readonly repo: string;
}

export interface UploadPack extends InRepo {
  /** What git sees as GIT_PROTOCOL, e.g. `version=2`; null for version 0. */
  readonly protocol: string | null;
}

export interface CheckWants extends InRepo {
  /** Object ids of the refs the caller may see. */
  readonly tips: readonly string[];
  readonly wants: readonly string[];
  /** Whether trees and blobs may be asked for by id (only for a caller who sees every ref). */
  readonly allowObjects: boolean;
}

export interface WantsVerdict {
  /** The wants the caller may not have, in the order asked; empty when all are allowed. */
  readonly refused: readonly string[];
}

export interface IndexPack extends InRepo {
  /** Largest pack accepted, in bytes as sent. */
  readonly maxBytes: number;
}

export interface IndexedPack {
  /** Folder name of the quarantine inside `objects/`; null when the pack held no object. */
  readonly quarantine: string | null;
  /** Base names, e.g. `pack-<sha>`. */
  readonly packs: readonly string[];
  /** Objects the client sent (bases added to complete a thin pack are not counted). */
  readonly objects: number;
  /** Pack bytes received. */
  readonly bytes: number;
}

export interface Connectivity extends InRepo {
  /** From `IndexedPack`; null when the push brought no object. */
  readonly quarantine: string | null;
  /** `IndexedPack.objects`: tells objects the client sent from bases git added to complete a thin pack. */
  readonly sentObjects: number;
  readonly newTips: readonly string[];
  /** Object ids of the refs the pusher may see. */
  readonly visibleTips: readonly string[];
}

export interface ConnectivityVerdict {
  readonly connected: boolean;
  /** Why not, on one line; null when connected. */
  readonly reason: string | null;
  /** One entry per new tip, in order; empty when not connected. */
  readonly tips: readonly TipFacts[];
}

export interface TipFacts {
  readonly sha: string;
  readonly type: ObjectKind;
  /** The object an annotated tag finally points to; null unless the tip is a tag object. */
  readonly peeled: string | null;
}

export type ObjectKind = 'commit' | 'tag' | 'tree' | 'blob';

export interface CommitPair extends InRepo {
  readonly ancestor: string;
  readonly descendant: string;
}

export interface Maintenance extends InRepo {
  /** `geometric` after about 100 new packs; `cruft` weekly: unreachable objects older than two weeks are dropped. */
  readonly kind: 'geometric' | 'cruft';
}

export interface MaintenanceReport {
  /** False when the repository could not get a bitmap (it is still repacked). */
  readonly bitmap: boolean;
  /** False when the commit graph could not be written (a cache only). */
  readonly commitGraph: boolean;
  readonly milliseconds: number;
}

export interface Fsck extends InRepo {
  readonly connectivityOnly: boolean;
}

export interface FsckReport {
  readonly clean: boolean;
  /** At most 100 lines of git's own words. */
  readonly problems: readonly string[];
}

export interface ObjectCount {
  readonly loose: number;
  readonly packed: number;
  readonly packs: number;
  readonly packBytes: number;
  readonly garbage: number;
}
