import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { Readable } from 'node:stream';
import { DomainError } from '#kernel';
import { readUploadedFile } from './multipart.js';

const whole = async (file: Readable): Promise<string> => Buffer.concat(await file.toArray()).toString('hex');

let server: Server;
let url: string;
let use: (file: Readable) => Promise<unknown>;

beforeAll(async () => {
  server = createServer((request, response) => {
    const answering = readUploadedFile(request, 'file', use).then(
      (result) => ({ result }),
      (error: unknown) =>
        error instanceof DomainError
          ? { code: error.code, message: error.message, ...error.details }
          : { bug: String(error) },
    );
    void answering.then((answer) => response.writeHead(200, { connection: 'close' }).end(JSON.stringify(answer)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  use = whole;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const post = async (body: FormData | string, type?: string): Promise<unknown> => {
  const headers = type === undefined ? {} : { 'content-type': type };
  return (await fetch(url, { method: 'POST', body, headers })).json();
};
const form = (...parts: [string, string | Blob][]): FormData => {
  const data = new FormData();
  for (const [name, value] of parts) data.append(name, value as Blob);
  return data;
};
const missing = {
  code: 'invalid_input',
  errors: [{ type: 'missing', loc: ['body', 'file'], msg: 'Field required', input: null }],
};

/** Sends exactly these bytes and returns all that comes back. */
function raw(parts: readonly (string | Buffer)[]): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  for (const part of parts) socket.write(part);
  return new Promise((resolve) => {
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString()));
    socket.on('close', () => resolve(text));
    socket.on('error', () => resolve(text));
  });
}
const open = (length: number): string =>
  `POST / HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: ${length}\r\n\r\n` +
  '--B\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n';

describe('a multipart upload', () => {
  it('streams the file, whatever stands before and after it', async () => {
    const bytes = randomBytes(300_000);
    const file = new Blob([new Uint8Array(bytes)]);
    const other = new Blob(['other']);
    const parts = form(['a', 'text'], ['other', other], ['file', file], ['b', 'text'], ['file', other]);
    expect(await post(parts)).toEqual({ result: bytes.toString('hex') });
    expect(await post(form(['file', new Blob([])]))).toEqual({ result: '' });
  });

  it('waits for a reader that is slower than the client', async () => {
    const bytes = randomBytes(1_500_000);
    use = async (file) => {
      let count = 0;
      for await (const chunk of file) {
        count += (chunk as Buffer).length;
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      return count;
    };
    expect(await post(form(['file', new Blob([new Uint8Array(bytes)])]))).toEqual({ result: bytes.length });
  });

  it('says which field is missing', async () => {
    expect(await post(form(['other', new Blob(['x'])]))).toMatchObject(missing);
    expect(await post(form(['file', 'text, not a file']))).toMatchObject(missing);
    expect(await post('{}', 'application/json')).toMatchObject(missing);
    expect(await post('x', 'text/plain')).toMatchObject(missing);
  });

  it('refuses a form without boundary or end', async () => {
    const malformed = { code: 'bad_request', message: 'Malformed multipart body' };
    expect(await post('x', 'multipart/form-data')).toEqual(malformed);
    expect(await post('x', 'multipart/form-data; boundary=B')).toEqual(malformed);
    expect(await post('--B\r\nnonsense\r\n\r\n', 'multipart/form-data; boundary=B')).toEqual(malformed);
    use = async (file) =>
      whole(file).catch((error: Error) => Promise.reject(new DomainError('bad_request', `seen: ${error.message}`)));
    const cut = '--B\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\ncontent without end';
    expect(await post(cut, 'multipart/form-data; boundary=B')).toEqual({
      code: 'bad_request',
      message: 'seen: Unexpected end of form',
    });
  });

  it('answers at once when the file is refused, while the client still sends', async () => {
    use = () => Promise.reject(new DomainError('payload_too_large', 'enough'));
    expect(await raw([open(1_000_000_000), randomBytes(500_000)])).toContain(
      '{"code":"payload_too_large","message":"enough"}',
    );
  });

  it('fails the file when the client goes away', async () => {
    const failed = new Promise<string>((resolve) => {
      use = (file) => whole(file).catch((error: Error) => (resolve(error.message), Promise.reject(error)));
    });
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.write(open(1_000_000));
    socket.write('some');
    setTimeout(() => socket.destroy(), 50);
    expect(await failed).toMatch(/gone|end/);
  });
});
