import { type FileHandle, mkdir, open, readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Injectable } from '@nestjs/common';
import { encodeFrame, ifAbsent, isDiskFull, readFrames } from '#kernel';
import { AppConfig } from '#platform';
import type { OutputChunk, OutputStream } from '../provider/sandbox-provider.js';
import type { ExecutionRecord } from './execution.js';

const KINDS: Readonly<Record<OutputStream, string>> = { stdout: 'o', stderr: 'e' };
const READ_BYTES = 65_536;

type Owner = Pick<ExecutionRecord, 'id' | 'sandboxId'>;

/** Where a reader learns whether to go on behind what is written. */
export interface Tail {
  /** Asked before each look at the file: once true, nothing is written any more. */
  isOver(): boolean | Promise<boolean>;
  /** Resolves when it is worth another look. */
  news(): Promise<void>;
}

/** What commands print, a file each: readers of any number and speed cost no memory, and a crash leaves what there was. */
@Injectable()
export class ExecutionLogs {
  private readonly root: string;

  constructor(config: AppConfig) {
    this.root = resolve(config.DATA_DIR, 'executions');
  }

  async create(owner: Owner): Promise<ExecutionLog> {
    await mkdir(join(this.root, owner.sandboxId), { recursive: true, mode: 0o700 });
    return new ExecutionLog(await open(this.pathOf(owner), 'wx', 0o600));
  }

  /** Everything from the first chunk on, and what comes until `tail` says that it is over. */
  async *read(owner: Owner, tail: Tail): AsyncGenerator<OutputChunk> {
    const file = await this.open(owner, tail);
    if (!file) return;
    try {
      let seq = 0;
      for await (const { kind, payload } of readFrames(bytesOf(file, tail)))
        yield { seq: (seq += 1), stream: kind === KINDS.stdout ? 'stdout' : 'stderr', data: payload };
    } finally {
      await file.close();
    }
  }

  /** A command is known a moment before it has a log. */
  private async open(owner: Owner, tail: Tail): Promise<FileHandle | null> {
    for (;;) {
      const isOver = await tail.isOver();
      const file = await open(this.pathOf(owner), 'r').catch(ifAbsent(null));
      if (file || isOver) return file;
      await tail.news();
    }
  }

  async remove(owner: Owner): Promise<void> {
    await rm(this.pathOf(owner), { force: true });
  }

  /** Ids of the sandboxes that have any. */
  async owners(): Promise<string[]> {
    return readdir(this.root).catch(ifAbsent<string[]>([]));
  }

  async removeAll(sandboxId: string): Promise<void> {
    await rm(join(this.root, sandboxId), { recursive: true, force: true });
  }

  private pathOf({ sandboxId, id }: Owner): string {
    return join(this.root, sandboxId, id);
  }
}

/** The one writer of a log. */
export class ExecutionLog {
  bytes = 0;
  /** Some of the output found no room. */
  isCut = false;
  private wake: () => void = () => undefined;
  private next = this.untilWoken();

  constructor(private readonly file: FileHandle) {}

  /** Resolves when the next change comes. */
  news(): Promise<void> {
    return this.next;
  }

  async append({ stream, data }: OutputChunk): Promise<void> {
    if (this.isCut) return;
    try {
      await this.file.appendFile(encodeFrame(KINDS[stream], data));
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      // The command runs on; that its output is not whole is told with its exit.
      this.isCut = true;
    }
    this.bytes += data.length;
    this.tell();
  }

  async close(): Promise<void> {
    await this.file.close();
    this.tell();
  }

  private tell(): void {
    const { wake } = this;
    this.next = this.untilWoken();
    wake();
  }

  private untilWoken(): Promise<void> {
    return new Promise((resolve) => (this.wake = resolve));
  }
}

async function* bytesOf(file: FileHandle, tail: Tail): AsyncGenerator<Buffer> {
  for (let position = 0; ;) {
    const news = tail.news();
    const isOver = await tail.isOver();
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(READ_BYTES), 0, READ_BYTES, position);
    position += bytesRead;
    if (bytesRead > 0) yield buffer.subarray(0, bytesRead);
    else if (isOver) return;
    else await news;
  }
}
