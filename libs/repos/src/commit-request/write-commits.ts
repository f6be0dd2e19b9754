import { existsSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { DomainError, faultPoint, toWireError, type WireDomainError } from '#kernel';
import { formatCommit, parseCommit, type CommitContent } from '../store/commit.js';
import { readRequired } from '../store/git-object.js';
import type { ObjectStore } from '../store/object-store.js';
import { EMPTY_TREE, isOid } from '../store/oid.js';
import { PackWriter } from '../store/pack-writer.js';
import { TreeEditor } from '../store/tree-editor.js';
import { applyChanges } from './apply-changes.js';
import type { CommitLimits, CommitRequest, Identity } from './commit-request.js';
import type { HeldCommit } from './held-requests.js';
import { StagedBlobs } from './staged-blobs.js';

export interface BranchHead {
  readonly commit: string;
}

/** A parsed request under its handle; null when the worker no longer holds it. */
export interface HeldRequest {
  readonly handle: string;
  readonly held: HeldCommit | null;
}

export interface WrittenCommit {
  readonly handle: string;
  readonly ok: true;
  readonly sha: string;
  readonly treeSha: string;
  /** '' for a root commit. */
  readonly parent: string;
  /** Every path the request named, once. */
  readonly paths: readonly string[];
  /** How many objects it added to the group's pack. */
  readonly objects: number;
}

export interface RefusedCommit {
  readonly handle: string;
  readonly ok: false;
  readonly error: WireDomainError;
}

/** Milliseconds, with fractions. */
export interface CommitTiming {
  readonly treeLoad: number;
  readonly blobWrite: number;
  readonly treeWrite: number;
  readonly packWrite: number;
  readonly total: number;
}

export interface WrittenGroup {
  /** What the group takes up on disk; 0 when nothing was accepted: then there is nothing there. */
  readonly packBytes: number;
  /** In the order of the requests. */
  readonly results: readonly (WrittenCommit | RefusedCommit)[];
  /** The branch after the accepted requests. */
  readonly head: BranchHead | null;
  readonly timing: CommitTiming;
}

/**
 * One group commit: applies the requests one after the other, each on the last accepted one, and writes a single
 * durable pack. A refused request leaves no trace in it. Moves no ref: the caller compares and sets.
 */
export function writeCommits(
  store: ObjectStore,
  head: BranchHead | null,
  requests: readonly HeldRequest[],
  now: number,
): WrittenGroup {
  const group = new CommitGroup(store, head, Math.floor(now / 1000));
  const results = requests.map(({ handle, held }, index): WrittenCommit | RefusedCommit => {
    if (index > 0) faultPoint('commit.inside-group');
    try {
      if (held === null) throw new DomainError('unavailable', 'Commit was interrupted. Retry.');
      return { handle, ok: true, ...group.add(held.request, held.limits) };
    } catch (error) {
      // Damage is one request's misfortune, a repository deleted while we read in it is everyone's.
      const isGone = !existsSync(store.gitDir);
      if (error instanceof DomainError && !isGone) return { handle, ok: false, error: toWireError(error) };
      throw error;
    }
  });
  return group.finish(results);
}

class CommitGroup {
  private readonly pack: PackWriter;
  private readonly startedAt = performance.now();
  private treeLoad = 0;
  private blobWrite = 0;
  private treeWrite = 0;

  constructor(
    private readonly store: ObjectStore,
    private head: BranchHead | null,
    private readonly timestamp: number,
  ) {
    this.pack = new PackWriter(store.objectsDir, store);
  }

  add(request: CommitRequest, limits: CommitLimits): Omit<WrittenCommit, 'handle' | 'ok'> {
    const start = performance.now();
    const objectsBefore = this.pack.objects;
    const parent = this.parentOf(request.parentSha);
    const blobs = new StagedBlobs(this.pack);
    const editor = new TreeEditor(this.pack, parent === null ? EMPTY_TREE : this.readCommit(parent).tree);
    const sizeOf = (oid: string): number | null => this.store.info(oid)?.size ?? null;
    const paths = applyChanges(request.changes, { editor, blobs, limits, sizeOf });
    const applied = performance.now();
    blobs.flush(this.pack, wantedBlobs(editor, paths));
    const stored = performance.now();
    const treeSha = editor.write(this.pack);
    const sha = this.pack.add('commit', formatCommit(this.content(request, treeSha, parent)));
    this.head = { commit: sha };
    this.treeLoad += applied - start;
    this.blobWrite += stored - applied;
    this.treeWrite += performance.now() - stored;
    return { sha, treeSha, parent: parent ?? '', paths, objects: this.pack.objects - objectsBefore };
  }

  finish(results: readonly (WrittenCommit | RefusedCommit)[]): WrittenGroup {
    const start = performance.now();
    const written = this.pack.write();
    const end = performance.now();
    const { treeLoad, blobWrite, treeWrite } = this;
    const timing = { treeLoad, blobWrite, treeWrite, packWrite: end - start, total: end - this.startedAt };
    return { packBytes: written?.bytes ?? 0, results, head: this.head, timing };
  }

  /** Contract 4.4: the branch's head, or for a new branch the commit the request names, or none. */
  private parentOf(parentSha: string | null): string | null {
    if (this.head !== null) {
      const current = this.head.commit;
      if (parentSha === null || parentSha === current) return current;
      throw new DomainError('conflict', 'Branch has moved since parent_sha. Fetch latest HEAD and retry.', {
        details: { current_sha: current },
        field: 'parent_sha',
      });
    }
    if (parentSha === null) return null;
    if (!isOid(parentSha)) throw badParent('unprocessable', 'parent_sha is not a commit sha');
    const object = this.pack.find(parentSha);
    if (object === null) throw badParent('not_found', 'Parent commit not found');
    if (object.type !== 'commit') throw badParent('unprocessable', 'parent_sha is not a commit');
    return parentSha;
  }

  private readCommit(sha: string): CommitContent {
    return parseCommit(readRequired(this.pack, sha, 'commit'));
  }

  private content(request: CommitRequest, tree: string, parent: string | null): CommitContent {
    const author = this.signature(request.author);
    return { tree, parents: parent === null ? [] : [parent], author, committer: author, message: request.message };
  }

  private signature({ name, email }: Identity): CommitContent['author'] {
    return { name, email, timestamp: this.timestamp, timezone: '+0000' };
  }
}

function badParent(code: 'not_found' | 'unprocessable', text: string): DomainError {
  return new DomainError(code, text, { field: 'parent_sha' });
}

/** Ids of what the request left at the paths it named. */
function wantedBlobs(editor: TreeEditor, paths: readonly string[]): Set<string> {
  return new Set(paths.flatMap((path) => editor.find(path)?.oid ?? []));
}
