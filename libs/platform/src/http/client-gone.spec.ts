import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import type { Request, Response } from 'express';
import { clientGone } from './client-gone.js';
import { sendEventStream } from './event-stream.js';
import { readUploadedFile } from './multipart.js';
import { readBody } from './request-body.js';

/** What comes of `work` for a client that is gone, with or without having sent all it announced, before it begins. */
async function forNobody<Result>(
  work: (request: IncomingMessage, response: ServerResponse) => Promise<Result>,
  { body = '', isWhole = true, headers = {} }: { body?: string | Buffer; isWhole?: boolean; headers?: object } = {},
): Promise<Result> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const bytes = Buffer.from(body);
  const length = { 'content-length': bytes.length + (isWhole ? 0 : 1) };
  const client = request({ port, method: 'POST', headers: { ...headers, ...length } });
  client.on('error', () => undefined);
  client.write(bytes);
  const [incoming, response] = (await once(server, 'request')) as [IncomingMessage, ServerResponse];
  client.destroy();
  await once(response, 'close');
  try {
    return await work(incoming, response);
  } finally {
    server.close();
  }
}

const FORM = '--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\ncontent\r\n--x--\r\n';
const AS_FORM = { 'content-type': 'multipart/form-data; boundary=x' };

describe('a client that left before its request was looked at', () => {
  it('is known to be gone', async () => {
    expect(await forNobody(async (_request, response) => clientGone(response).aborted)).toBe(true);
  });

  it('is sent no events', async () => {
    let asked = 0;
    const frames = async function* (signal: AbortSignal): AsyncGenerator<string> {
      for (; asked < 3 && !signal.aborted; asked += 1) yield 'data: x\n\n';
    };
    await forNobody((incoming, response) =>
      sendEventStream(Object.assign(response, { req: incoming }) as unknown as Response, frames),
    );
    expect(asked).toBe(0);
  });

  it.each([true, false])('does not keep anybody waiting for its form (whole: %s)', async (isWhole) => {
    const whole = async (content: AsyncIterable<Buffer>): Promise<string> => {
      let text = '';
      for await (const chunk of content) text += chunk.toString();
      return text;
    };
    const read = forNobody((incoming) => readUploadedFile(incoming as Request, 'file', whole), {
      ...{ body: FORM, headers: AS_FORM, isWhole },
    });
    await expect(read).rejects.toThrow();
  });

  it.each([true, false])('does not keep anybody waiting for its compressed body (whole: %s)', async (isWhole) => {
    const headers = { 'content-encoding': 'gzip' };
    const read = forNobody((incoming) => readBody(incoming as Request, 1_000), {
      ...{ body: gzipSync('content'), headers, isWhole },
    });
    await expect(read).rejects.toMatchObject({ code: 'invalid_input' });
  });
});
