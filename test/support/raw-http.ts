import { connect } from 'node:net';

export interface RawAnswer {
  /** Of the first status line; 0 when the connection ended without any. */
  readonly status: number;
  /** Everything the server wrote. */
  readonly text: string;
}

/** The head of an HTTP/1.1 request, e.g. `head('GET /v1/repos', 'x-api-key: …')`. */
export function head(line: string, ...headers: string[]): string {
  return [`${line} HTTP/1.1`, 'Host: localhost', ...headers, '', ''].join('\r\n');
}

/** Writes `parts` to a fresh connection and reads until the server ends it or `enough` (a whole head) is true. */
export async function rawRequest(
  url: string,
  parts: readonly (string | Buffer)[],
  enough: (text: string) => boolean = (text) => text.includes('\r\n\r\n'),
): Promise<RawAnswer> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  let text = '';
  socket.setEncoding('latin1');
  socket.on('error', () => socket.destroy());
  const finished = new Promise<void>((resolve) => {
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (enough(text)) resolve();
    });
    socket.on('close', () => resolve());
  });
  for (const part of parts) socket.write(part);
  await finished;
  socket.destroy();
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0), text };
}
