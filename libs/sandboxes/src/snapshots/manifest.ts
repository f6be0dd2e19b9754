/** What is kept of a directory entry; the sandbox's own directory itself is the first, with an empty path. */
export interface SnapshotEntry {
  /** Below the directory; any bytes but NUL, names joined by `/`. */
  readonly path: Buffer;
  readonly type: 'directory' | 'file' | 'link';
  /** With set-id and sticky bits. */
  readonly mode: number;
  readonly mtimeNs: bigint;
  /** Of a file. */
  readonly content?: SnapshotContent;
  /** Of a link; any bytes. */
  readonly target?: Buffer;
}

/** A file's bytes are a range of a blob: small ones share one, large ones have their own. */
export interface SnapshotContent {
  readonly size: number;
  /** SHA-256 of the file, hex. */
  readonly digest: string;
  /** Index into `SnapshotRoot.blobs`. */
  readonly blob: number;
  readonly offset: number;
}

/** The blob that a snapshot is named by. */
export interface SnapshotRoot {
  readonly version: 1;
  /** Digest of the list of entries: one JSON value per line, every directory before what is in it. */
  readonly entries: string;
  /** Digests, in the order in which entries need them. */
  readonly blobs: readonly string[];
  /** Of all files together. */
  readonly bytes: number;
}

interface Line {
  readonly p: string;
  readonly t: SnapshotEntry['type'];
  readonly m: number;
  readonly n: string;
  readonly c?: SnapshotContent;
  readonly l?: string;
}

export function toLine({ path, type, mode, mtimeNs, content, target }: SnapshotEntry): string {
  const line: Line = {
    p: path.toString('base64'),
    t: type,
    m: mode,
    n: String(mtimeNs),
    ...(content && { c: content }),
    ...(target && { l: target.toString('base64') }),
  };
  return `${JSON.stringify(line)}\n`;
}

export function fromLine(text: string): SnapshotEntry {
  const { p, t, m, n, c, l } = JSON.parse(text) as Line;
  return {
    path: Buffer.from(p, 'base64'),
    type: t,
    mode: m,
    mtimeNs: BigInt(n),
    ...(c && { content: c }),
    ...(l !== undefined && { target: Buffer.from(l, 'base64') }),
  };
}
