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
  for (const change of changes) {
    const file = files.get(change.path);
    if (change.action === 'delete') files.delete(change.path);
    else if (change.action === 'create') {
      const kept = file?.mode === '100755' ? '100755' : '100644';
      const content = Buffer.from(change.content ?? '', change.encoding === 'base64' ? 'base64' : 'utf8').toString(
        'latin1',
      );
      if (!put(files, change.path, { mode: change.mode ?? kept, content })) return null;
    } else if (file === undefined) return null;
    else if (change.action === 'rename') {
      files.delete(change.path);
      if (!put(files, change.new_path ?? '', file)) return null;
    } else {
      const content = edited(file, change);
      if (content === null) return null;
      files.set(change.path, { mode: change.mode ?? file.mode, content });
    }
  }
  return files;
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
