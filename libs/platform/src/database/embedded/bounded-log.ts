import { appendFileSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';

const LINES_KEPT = 20;

/** Appends to a log file that never grows beyond `maxBytes`; one older file of the same size is kept beside it. */
export class BoundedLog {
  private readonly file: string;
  private size: number;
  private readonly lastLines: string[] = [];

  constructor(
    folder: string,
    name: string,
    private readonly maxBytes = 5_000_000,
  ) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.file = join(folder, name);
    this.size = statSync(this.file, { throwIfNoEntry: false })?.size ?? 0;
  }

  append(text: string): void {
    this.lastLines.push(...text.split('\n').filter((line) => line !== ''));
    this.lastLines.splice(0, Math.max(0, this.lastLines.length - LINES_KEPT));
    const bytes = Buffer.byteLength(text);
    if (this.size > 0 && this.size + bytes > this.maxBytes) {
      renameSync(this.file, `${this.file}.1`);
      this.size = 0;
    }
    appendFileSync(this.file, text, { mode: 0o600 });
    this.size += bytes;
  }

  /** The most recent lines, for an error message. */
  tail(): string {
    return this.lastLines.join('\n');
  }
}
