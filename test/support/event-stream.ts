import type { Client } from './client.js';

export interface ServerEvent {
  readonly id: number;
  readonly event: string;
  readonly data: Record<string, any>; // eslint-disable-line @typescript-eslint/no-explicit-any -- tests look into any event
}

/** The client's side of a stream of server-sent events; it reads as they come. */
export class EventStream {
  /** Every byte so far. */
  text = '';
  private readonly gone = new AbortController();
  private readonly reading: Promise<void>;
  private changed: () => void = () => undefined;
  private ended = false;

  private constructor(readonly response: Response) {
    this.reading = this.read();
  }

  /** Sends a request whose answer is a stream; `body` makes it a POST. */
  static async open(
    client: Client,
    path: string,
    { body, headers = {} }: { body?: object; headers?: Record<string, string> } = {},
  ): Promise<EventStream> {
    const response = await fetch(client.url + path, {
      method: body ? 'POST' : 'GET',
      headers: { 'x-api-key': client.key ?? '', ...(body && { 'content-type': 'application/json' }), ...headers },
      ...(body && { body: JSON.stringify(body) }),
    });
    return new EventStream(response);
  }

  get status(): number {
    return this.response.status;
  }

  get id(): string {
    return this.response.headers.get('x-response-id') ?? '';
  }

  /** What has arrived in whole. */
  get events(): ServerEvent[] {
    const frames = this.text.split('\n\n').slice(0, -1);
    return frames.filter((frame) => frame.startsWith('id:')).map(toEvent);
  }

  /** Waits until an event of that name has come. */
  async until(name: string): Promise<ServerEvent> {
    for (;;) {
      const found = this.events.find(({ event }) => event === name);
      if (found) return found;
      if (this.ended) throw new Error(`the stream ended without ${name}:\n${this.text}`);
      await new Promise<void>((resolve) => (this.changed = resolve));
    }
  }

  /** Waits for the end; answers all that came. */
  async all(): Promise<ServerEvent[]> {
    await this.reading;
    return this.events;
  }

  /** The client goes away. */
  async leave(): Promise<void> {
    this.gone.abort();
    await this.reading;
  }

  private async read(): Promise<void> {
    const decoder = new TextDecoder();
    const reader = this.response.body!.getReader();
    this.gone.signal.addEventListener('abort', () => void reader.cancel());
    for (;;) {
      const { done, value } = await reader.read();
      if (value) this.text += decoder.decode(value, { stream: true });
      this.ended = done;
      this.changed();
      if (done) return;
    }
  }
}

function toEvent(frame: string): ServerEvent {
  const fields = new Map(frame.split('\n').map((line) => line.split(/: (.*)/s).slice(0, 2) as [string, string]));
  return {
    id: Number(fields.get('id')),
    event: fields.get('event') ?? '',
    data: JSON.parse(fields.get('data') ?? 'null') as Record<string, unknown>,
  };
}
