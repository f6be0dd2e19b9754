interface ModelFile {
  readonly mode: string;
  readonly content: string;
}

export type ModelTree = ReadonlyMap<string, ModelFile>;

export interface ModelChange {
  readonly action: 'create' | 'edit' | 'delete' | 'rename';
  readonly path: string;
  readonly content?: string;
  readonly encoding?: string;
  readonly mode?: string;
  readonly new_path?: string;
  readonly edits?: readonly { old_string: string; new_string: string }[];
}

/** Contract 4.2 on a map of files: what the tree becomes, or null when the commit must be refused. */
export function applyToModel(tree: ModelTree, changes: readonly ModelChange[]): ModelTree | null {
  const files = new Map(tree);
  return changes.every((change) => applyOne(files, change)) ? files : null;
}

function applyOne(files: Map<string, ModelFile>, change: ModelChange): boolean {
  const file = files.get(change.path);
  if (change.action === 'create') return put(files, change.path, created(file, change));
  if (change.action === 'delete') return files.delete(change.path) || true;
  if (file === undefined) return false;
  if (change.action === 'rename') return files.delete(change.path) && put(files, change.new_path ?? '', file);
  const content = edited(file, change);
  if (content === null) return false;
  files.set(change.path, { mode: change.mode ?? file.mode, content });
  return true;
}

function created(present: ModelFile | undefined, { content = '', encoding, mode }: ModelChange): ModelFile {
  const kept = present?.mode === '100755' ? '100755' : '100644';
  const bytes = Buffer.from(content, encoding === 'base64' ? 'base64' : 'utf8');
  return { mode: mode ?? kept, content: bytes.toString('latin1') };
}

function put(files: Map<string, ModelFile>, path: string, file: ModelFile): boolean {
  for (const other of files.keys()) if (other.startsWith(`${path}/`) || path.startsWith(`${other}/`)) return false;
  files.set(path, file);
  return true;
}

function edited(file: ModelFile, change: ModelChange): string | null {
  if (file.mode === '120000') return null;
  let { content } = file;
  for (const { old_string: old, new_string: replacement } of change.edits ?? []) {
    const at = content.indexOf(old);
    if (at < 0 || old === '' || content.includes(old, at + 1)) return null;
    content = content.slice(0, at) + replacement + content.slice(at + old.length);
  }
  return content;
}

/** Input of `git fast-import` that makes `ref` a parentless commit of exactly this tree. */
export function fastImportCommit(ref: string, tree: ModelTree): Buffer {
  const parts = [Buffer.from(`commit ${ref}\ncommitter a <a@b> 0 +0000\ndata 0\n\n`)];
  for (const [path, { mode, content }] of tree) {
    const bytes = Buffer.from(content, 'latin1');
    parts.push(Buffer.from(`M ${mode} inline ${path}\ndata ${bytes.length}\n`), bytes, Buffer.from('\n'));
  }
  return Buffer.concat(parts);
}
