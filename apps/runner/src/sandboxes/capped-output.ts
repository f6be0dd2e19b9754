import type { Readable } from 'node:stream';
import type { OutputChunk, OutputStream } from '#sandboxes';

/** Chunks that may wait for their reader before the command has to. */
const WAITING = 16;
/** What is dropped is read no faster: a flood would take the time of this process, which all commands share. */
const DROPPED_BYTES_PER_MS = 65_536;

/**
 * Both streams of a command as one sequence of numbered chunks, in the order they arrived, up to a number of bytes;
 * what comes after is dropped. A slow reader makes the command wait, not this process grow.
 */
export class CappedOutput implements AsyncIterable<OutputChunk> {
  truncated = false;
  private readonly queue: OutputChunk[] = [];
  private readonly open = new Set<Readable>();
  private wake: (() => void) | undefined;
  private seq = 0;

  constructor(
    streams: Readonly<Record<OutputStream, Readable>>,
    private left: number,
  ) {
    for (const name of ['stdout', 'stderr'] as const) {
      const stream = streams[name];
      this.open.add(stream);
      stream.on('data', (data: Buffer) => this.take(name, stream, data));
      // A broken pipe ends it like its end does: the exit says the rest.
      stream.on('error', () => stream.destroy());
      stream.once('close', () => this.forget(stream));
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<OutputChunk> {
    for (;;) {
      const chunk = this.queue.shift();
      if (chunk) {
        if (this.queue.length < WAITING) for (const stream of this.open) stream.resume();
        yield chunk;
      } else if (this.open.size === 0) {
        return;
      } else {
        await new Promise<void>((resolve) => (this.wake = resolve));
      }
    }
  }

  /** Lets the command run on when nobody reads any more. */
  abandon(): void {
    this.left = 0;
    this.queue.length = 0;
    for (const stream of this.open) stream.resume();
  }

  private take(name: OutputStream, stream: Readable, data: Buffer): void {
    const kept = data.subarray(0, this.left);
    if (kept.length < data.length) this.truncated = true;
    if (kept.length === 0) return drop(stream, data.length);
    this.left -= kept.length;
    this.seq += 1;
    this.queue.push({ seq: this.seq, stream: name, data: kept });
    if (this.queue.length >= WAITING) for (const open of this.open) open.pause();
    this.wake?.();
  }

  private forget(stream: Readable): void {
    this.open.delete(stream);
    this.wake?.();
  }
}

function drop(stream: Readable, bytes: number): void {
  stream.pause();
  setTimeout(() => stream.resume(), bytes / DROPPED_BYTES_PER_MS);
}
