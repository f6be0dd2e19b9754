import { parentPort } from 'node:worker_threads';
import { DomainError, toWireError } from '#kernel';
import { messagesOf } from '../archive/message-log-reader.js';
import { readMessage } from '../conversation/message.js';
import type { ConversationPass } from '../conversation/pass.js';
import type { FromPassWorker, ToPassWorker } from './pass-protocol.js';
import { PASSES } from './pass-registry.js';

const running = new Map<number, ConversationPass<unknown, unknown>>();
const post = (message: FromPassWorker): void => parentPort?.postMessage(message);

function hear(message: ToPassWorker): void {
  const { id } = message;
  if ('pass' in message) {
    running.set(id, PASSES[message.pass](message.input as never));
    return;
  }
  const pass = running.get(id);
  // A pass that failed is not told so before its next block is under way.
  if (pass === undefined) return;
  if ('block' in message) {
    feed(pass, message.block);
    post({ id, taken: true, part: pass.part?.() });
    return;
  }
  running.delete(id);
  if ('ended' in message) post({ id, result: pass.finish() });
}

function feed(pass: ConversationPass<unknown, unknown>, block: Uint8Array<ArrayBuffer>): void {
  for (const { line, json } of messagesOf(Buffer.from(block.buffer, block.byteOffset, block.byteLength))) {
    if (pass.wants?.(line - 1) === false) continue;
    const message = readMessage(json.toString());
    if (message.kind === 'message') pass.feed(message, line - 1);
  }
}

parentPort?.on('message', (message: ToPassWorker) => {
  try {
    hear(message);
  } catch (error) {
    running.delete(message.id);
    if (error instanceof DomainError) post({ id: message.id, error: toWireError(error) });
    else post({ id: message.id, crash: (error instanceof Error ? error.stack : undefined) ?? String(error) });
  }
});
