import { randomUUID } from 'node:crypto';
import { DefaultChatTransport, readUIMessageStream, type UIMessage, type UIMessageChunk } from 'ai';
import type { Client } from './client.js';

/** A message of a person, as the AI SDK's hooks make it. */
export const userSays = (text: string, id: string = randomUUID()): UIMessage => ({
  id,
  role: 'user',
  parts: [{ type: 'text', text }],
});

/** What the AI SDK's hooks reach a chat through, as it comes. */
export function transport({ session }: { readonly session: string }, by: Client): DefaultChatTransport<UIMessage> {
  const api = `${by.url}/api/chat`;
  return new DefaultChatTransport({ api, headers: { 'x-api-key': by.key! }, body: { sessionId: session } });
}

/** As the SDK's hooks send it. */
export function sendChat(
  by: Client,
  chat: { readonly session: string; readonly id: string },
  messages: UIMessage[],
): Promise<ReadableStream<UIMessageChunk>> {
  const request = { trigger: 'submit-message' as const, chatId: chat.id, messageId: undefined, abortSignal: undefined };
  return transport(chat, by).sendMessages({ ...request, messages });
}

/** The answer as the SDK's client has it in the end. */
export async function answerIn(stream: ReadableStream<UIMessageChunk>): Promise<UIMessage> {
  let last: UIMessage | undefined;
  for await (const message of readUIMessageStream({ stream, terminateOnError: false })) last = message;
  return JSON.parse(JSON.stringify(last)) as UIMessage;
}

/** The frames of a stream, read one by one. */
export class Frames {
  private readonly reader: ReadableStreamDefaultReader<string>;
  readonly all: string[] = [];
  private rest = '';

  constructor(readonly response: Response) {
    this.reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  }

  async read(count = Infinity): Promise<string[]> {
    while (this.all.length < count) {
      const { value, done } = await this.reader.read();
      if (done) break;
      const [...frames] = (this.rest + value).split('\n\n');
      this.rest = frames.pop() ?? '';
      this.all.push(...frames.filter((frame) => frame.startsWith('data: ')).map((frame) => frame.slice(6)));
    }
    return this.all;
  }

  leave(): Promise<void> {
    return this.reader.cancel();
  }
}

/** Sends a request whose answer is a stream; a body makes it a POST. */
export async function openFrames(by: Client, path: string, body?: object): Promise<Frames> {
  const headers = { 'x-api-key': by.key!, 'content-type': 'application/json' };
  const method = body ? 'POST' : 'GET';
  return new Frames(await fetch(by.url + path, { method, headers, ...(body && { body: JSON.stringify(body) }) }));
}

/** A promise, and what keeps it. */
export function gate(): { readonly closed: Promise<void>; readonly open: () => void } {
  let release = (): void => undefined;
  const closed = new Promise<void>((resolve) => (release = resolve));
  return { closed, open: () => release() };
}
