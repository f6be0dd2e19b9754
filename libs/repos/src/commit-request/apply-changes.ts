import { DomainError } from '#kernel';
import { isForbiddenSymlink } from '../path-rules.js';
import { readRequired } from '../store/git-object.js';
import { isTreeMode, MODE_EXECUTABLE, MODE_FILE, MODE_SUBMODULE, MODE_SYMLINK } from '../store/tree.js';
import type { TreeEditor } from '../store/tree-editor.js';
import type { Change, CommitLimits, FileMode } from './commit-request.js';
import { lazyEditUnavailable } from './commit-request.js';
import { assertFileSize } from './file-content.js';
import { invalid } from './json-members.js';
import type { StagedBlobs } from './staged-blobs.js';
import { applyEdits } from './surgical-edit.js';

const TYPE_BITS = 0o170000;

export interface ApplyContext {
  readonly editor: TreeEditor;
  readonly blobs: StagedBlobs;
  readonly limits: CommitLimits;
  /** Bytes of a stored blob without reading it, or null when only `blobs` knows it. */
  sizeOf(oid: string): number | null;
}

type ChangeOf<A extends Change['action']> = Extract<Change, { action: A }>;

/**
 * Applies `changes` in order, each to what the ones before it left (contract 4.2). Throws `not_found`, `unprocessable`,
 * `invalid_input`, `payload_too_large` or `unavailable`; the editor is then of no further use. Returns every path a
 * change named, in order and once.
 */
export function applyChanges(changes: readonly Change[], context: ApplyContext): string[] {
  const paths = new Set<string>();
  for (const change of changes) {
    paths.add(change.path);
    if (change.action === 'rename') paths.add(change.newPath);
    applyChange(change, context);
  }
  return [...paths];
}

function applyChange(change: Change, context: ApplyContext): void {
  switch (change.action) {
    case 'create':
      return create(change, context);
    case 'edit':
      return edit(change, context);
    case 'delete':
      // A missing path is no failure, a directory is left alone.
      context.editor.remove(change.path);
      return;
    case 'rename':
      return rename(change, context);
    case 'lazy_edit':
      fileAt(change, context);
      throw lazyEditUnavailable();
  }
}

function create({ path, content, mode }: ChangeOf<'create'>, { editor, blobs }: ApplyContext): void {
  editor.put(path, modeNumber(mode) ?? keptMode(editor.find(path)?.mode), blobs.add(content));
}

/** An overwritten program stays executable; text written over a link or submodule is a file, not a link target. */
function keptMode(present: number | undefined): number {
  const isProgram = present !== undefined && (present & TYPE_BITS) === 0o100000 && (present & 0o111) !== 0;
  return isProgram ? MODE_EXECUTABLE : MODE_FILE;
}

function edit(change: ChangeOf<'edit'>, context: ApplyContext): void {
  const { path, edits, mode } = change;
  const { editor, blobs, limits } = context;
  const present = fileAt(change, context);
  const type = present.mode & TYPE_BITS;
  if (type === MODE_SYMLINK) throw unprocessable(`Cannot edit a symbolic link: ${path}`);
  if (type === MODE_SUBMODULE) throw unprocessable(`Cannot edit a submodule: ${path}`);
  // Asked before reading: a pushed file may be larger than memory.
  assertFileSize(blobs.stagedSize(present.oid) ?? context.sizeOf(present.oid) ?? 0, path, limits.maxFileBytes);
  const edited = applyEdits(readRequired(blobs, present.oid, 'blob'), edits);
  assertFileSize(edited.length, path, limits.maxFileBytes);
  editor.put(path, modeNumber(mode) ?? present.mode, blobs.add(edited));
}

function rename(change: ChangeOf<'rename'>, context: ApplyContext): void {
  const { path, newPath } = change;
  const { mode, oid } = fileAt(change, context);
  if (isForbiddenSymlink(Buffer.from(newPath.slice(newPath.lastIndexOf('/') + 1)), mode)) {
    throw invalid(`File path may not be a symbolic link: ${newPath}`, 'new_path');
  }
  // Removed first, so that `a` can become `a/b` and the other way round.
  context.editor.remove(path);
  context.editor.put(newPath, mode, oid);
}

function fileAt({ path, action }: Change, { editor }: ApplyContext): { mode: number; oid: string } {
  const present = editor.find(path);
  if (present !== null && !isTreeMode(present.mode)) return present;
  throw new DomainError('not_found', `File not found for ${action}: ${path}`, { field: 'path' });
}

function modeNumber(mode: FileMode | null): number | null {
  return mode === null ? null : parseInt(mode, 8);
}

function unprocessable(text: string): DomainError {
  return new DomainError('unprocessable', text, { field: 'path' });
}
