import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Content that every command is handed as an open file, at its beginning for each of them. It has no name: nobody else
 * can open it, and nothing of it is left when this process is gone.
 */
export class HandedContent {
  private constructor(private readonly fd: number) {}

  static of(content: string | Buffer): HandedContent {
    const folder = mkdtempSync(join(tmpdir(), 'handed-'));
    try {
      const file = join(folder, 'content');
      writeFileSync(file, content, { mode: 0o400 });
      return new HandedContent(openSync(file, 'r'));
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  /** A descriptor of one's own, to be closed by whom it is given. */
  open(): number {
    return openSync(`/proc/self/fd/${this.fd}`, 'r');
  }

  close(): void {
    closeSync(this.fd);
  }
}
