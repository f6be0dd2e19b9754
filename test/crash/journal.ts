import { closeSync, openSync, writeSync } from 'node:fs';

/** A commit as its client knows it. */
export interface CommitNote {
  /** Stands in the commit's message and is used once. */
  readonly id: string;
  /** Path to content; no other commit of the branch writes these paths. */
  readonly files: ReadonlyMap<string, string>;
  /** Null until it was acknowledged, or found after a crash. Known in advance for pushes. */
  sha: string | null;
  acknowledged: boolean;
  /** Whether its files have been read back through the API. */
  readBack: boolean;
}

/** A commit whose client never heard back: it asks again, word for word, once a server answers. */
export interface UnansweredCommit {
  readonly slug: string;
  readonly branch: string;
  readonly note: CommitNote;
  readonly key: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** A ref that is created, moved and deleted by one client. */
export interface RefNote {
  value: string | null;
  /** Where an unanswered request would have put it. */
  pending?: string | null;
}

export type RepoState = 'creating' | 'live' | 'deleting' | 'gone';

/** What the clients did to one repository. */
export class RepoNotes {
  /** Branches that only grow, each commit with paths of its own. */
  readonly lines = new Map<string, CommitNote[]>();
  /** By full name. */
  readonly refs = new Map<string, RefNote>();

  constructor(
    readonly slug: string,
    public state: RepoState,
    /** Small repositories only exist to be created and deleted. */
    readonly isShortLived: boolean,
  ) {}

  line(branch: string): CommitNote[] {
    const line = this.lines.get(branch) ?? [];
    this.lines.set(branch, line);
    return line;
  }

  acknowledgedShas(branch: string): string[] {
    return this.line(branch).flatMap(({ acknowledged, sha }) => (acknowledged && sha !== null ? [sha] : []));
  }
}

/**
 * Everything clients asked of the servers and what was acknowledged, outside of their reach. Each line is in the file
 * before the request is sent and before the client acts on its answer.
 */
export class Journal {
  readonly repos = new Map<string, RepoNotes>();
  unanswered: UnansweredCommit[] = [];
  /** Retries that met their own first effect, that had the first one, and that a dead server's claim still refused. */
  readonly retries = { replayed: 0, performed: 0, refused: 0 };
  acknowledged = 0;
  /** Requests that were answered with 5xx by a living server. */
  failures = 0;
  private readonly file: number;
  private sequence = 0;

  constructor(readonly path: string) {
    this.file = openSync(path, 'a');
  }

  nextId(prefix: string): string {
    return `${prefix}-${(this.sequence += 1)}`;
  }

  /** Returns the number the answer is to be noted with. */
  intend(what: string, facts: Record<string, unknown>): number {
    const number = (this.sequence += 1);
    this.append({ number, what, ...facts });
    return number;
  }

  acknowledge(number: number, facts: Record<string, unknown> = {}): void {
    this.acknowledged += 1;
    this.append({ number, acknowledged: true, ...facts });
  }

  note(facts: Record<string, unknown>): void {
    this.append(facts);
  }

  close(): void {
    closeSync(this.file);
  }

  private append(line: Record<string, unknown>): void {
    writeSync(this.file, JSON.stringify({ at: Date.now(), ...line }) + '\n');
  }
}
