import { PassThrough, type Readable } from 'node:stream';
import { DomainError, encodeFrame, fromWireError, readFrames, roomIn, type WireDomainError } from '#kernel';
import type { CommandFrame, ReportFrame } from './runner-protocol.js';
import type { Execution, ExitFacts, OutputChunk, OutputStream } from './sandbox-provider.js';

/** Chunks that wait for their reader before the runner, and so the command, has to. */
const WAITING = 16;
const INPUT_BYTES = 65_536;

const order: (kind: CommandFrame, payload?: Buffer | string) => Buffer = encodeFrame;

/** A command that runs in the sandbox runner, at the other end of a connection which ends with it. */
export class RemoteExecution implements Execution {
  readonly exit: Promise<ExitFacts>;
  private readonly chunks = new PassThrough({ objectMode: true, highWaterMark: WAITING });
  private seq = 0;
  private hasEnded = false;
  private inputs: Promise<void> = Promise.resolve();
  private taken: (() => void) | null = null;

  constructor(
    private readonly orders: PassThrough,
    private readonly reports: Readable,
  ) {
    // Whoever stops reading drops the rest; the command runs on.
    this.chunks.on('error', () => undefined);
    this.orders.on('error', () => undefined);
    this.exit = this.follow().finally(() => this.end());
    this.exit.catch(() => undefined);
  }

  get output(): AsyncIterable<OutputChunk> {
    return this.chunks as AsyncIterable<OutputChunk>;
  }

  begin(): void {
    this.give(order('b'));
  }

  write(data: Buffer | null): Promise<void> {
    this.inputs = this.inputs.then(() => (data === null ? this.give(order('e')) : this.writeAll(data)));
    return this.inputs;
  }

  signal(name: NodeJS.Signals): void {
    this.give(order('s', name));
  }

  cancel(): void {
    this.give(order('k'));
  }

  private async writeAll(data: Buffer): Promise<void> {
    for (let at = 0; at < data.length && !this.hasEnded; at += INPUT_BYTES) {
      const taken = new Promise<void>((resolve) => (this.taken = resolve));
      this.give(order('i', data.subarray(at, at + INPUT_BYTES)));
      await taken;
    }
  }

  private give(frame: Buffer): void {
    if (!this.hasEnded) this.orders.write(frame);
  }

  /** Reads to the facts of the exit. A connection that ends without them was cut: the runner is gone. */
  private async follow(): Promise<ExitFacts> {
    try {
      for await (const { kind, payload } of readFrames(this.reports as AsyncIterable<Buffer>)) {
        switch (kind as ReportFrame) {
          case 'o':
            await this.pass('stdout', payload);
            break;
          case 'e':
            await this.pass('stderr', payload);
            break;
          case 't':
            this.taken?.();
            break;
          case 'x':
            return JSON.parse(payload.toString('utf8')) as ExitFacts;
          case 'f':
            throw fromWireError(JSON.parse(payload.toString('utf8')) as WireDomainError);
          default:
            throw new Error(`no report: ${kind}`);
        }
      }
    } catch (error) {
      throw error instanceof DomainError ? error : lost(error);
    }
    throw lost();
  }

  private async pass(stream: OutputStream, data: Buffer): Promise<void> {
    this.seq += 1;
    if (this.chunks.destroyed) return;
    this.chunks.write({ seq: this.seq, stream, data } satisfies OutputChunk);
    await roomIn(this.chunks);
  }

  private end(): void {
    this.hasEnded = true;
    this.taken?.();
    this.chunks.end();
    this.orders.end();
    this.reports.destroy();
  }
}

function lost(cause?: unknown): DomainError {
  return new DomainError('unavailable', 'The command was lost with the process that ran it', {
    reason: 'execution_lost',
    cause,
  });
}
