/**
 * What the git runner can do: the parameters and result of every operation, spoken between `GitRunner` and
 * `apps/runner`. Types only, so that the runner process loads nothing of this lib.
 */
export interface GitOperations {
  'upload-pack': { params: UploadPack; result: never };
  'check-out': { params: CheckOut; result: CheckedOut };
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

export interface CheckOut {
  /** Absolute path of an empty directory below the workspaces; it gets the working tree. */
  readonly target: string;
  /** Null for a repository without any history. */
  readonly source: CheckOutSource | null;
  /** What `origin` is called afterwards; null for none. */
  readonly origin: string | null;
  /** Null for the source's default branch. */
  readonly branch: string | null;
  /** A branch to begin there; null to follow the branch itself. */
  readonly newBranch: string | null;
  readonly author: { readonly name: string; readonly email: string };
  /** Of the objects fetched, and of the files written. */
  readonly maxBytes: number;
  readonly maxFiles: number;
  /** For the transfer, and once more for writing the files. */
  readonly seconds: number;
}

export type CheckOutSource =
  /** A bare repository below the runner's root, whose refs are on disk. */
  | { readonly kind: 'hosted'; readonly repo: string }
  /** Another server's, at the addresses that its host was seen to have. */
  | { readonly kind: 'remote'; readonly url: string; readonly addresses: readonly string[] };

export interface CheckedOut {
  readonly branch: string;
  /** Null while there is none. */
  readonly commit: string | null;
}
