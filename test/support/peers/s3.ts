import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Refusal {
  readonly status: number;
  readonly code: string;
}

const refusal = (status: number, code: string): Refusal => ({ status, code });
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
const sha256 = (bytes: string | Buffer): Buffer => createHash('sha256').update(bytes).digest();

/** An S3 with one bucket, path-style: objects, ranges, checksums and signatures (SigV4) as the real one checks them. */
export class S3Peer {
  readonly bucket = 'test-bucket';
  readonly region = 'eu-test-1';
  readonly accessKeyId = 'AKIATESTTESTTESTTEST';
  readonly secretAccessKey = 'secret/of+the+peer';
  readonly objects = new Map<string, Buffer>();
  /** `METHOD key` of every request that was let in. */
  readonly requests: string[] = [];
  /** So many of the next requests of `method` (of any when null) are answered `503 SlowDown`. */
  readonly outage: { method: string | null; left: number } = { method: null, left: 0 };
  private readonly server: Server;

  private constructor() {
    this.server = createServer((request, response) => void this.answer(request, response));
  }

  static async start(): Promise<S3Peer> {
    const peer = new S3Peer();
    await new Promise<void>((resolve) => peer.server.listen(0, '127.0.0.1', resolve));
    return peer;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = Buffer.concat((await request.toArray()) as Buffer[]);
    const url = new URL(request.url ?? '/', this.endpoint);
    const [, bucket, ...parts] = url.pathname.split('/').map(decodeURIComponent);
    const key = parts.join('/');
    const problem = this.outageProblem(request) ?? this.signatureProblem(request, url, body);
    if (problem !== null) return refuse(request, response, problem);
    if (bucket !== this.bucket) return refuse(request, response, refusal(404, 'NoSuchBucket'));
    this.requests.push(`${request.method} ${key}`);
    switch (request.method) {
      case 'PUT':
        return this.put(request, response, key, body);
      case 'GET':
      case 'HEAD':
        return this.get(request, response, key);
      case 'DELETE':
        this.objects.delete(key);
        return void response.writeHead(204).end();
      default:
        return refuse(request, response, refusal(405, 'MethodNotAllowed'));
    }
  }

  private outageProblem({ method }: IncomingMessage): Refusal | null {
    if (this.outage.left === 0 || (this.outage.method !== null && this.outage.method !== method)) return null;
    this.outage.left -= 1;
    return refusal(503, 'SlowDown');
  }

  private put(request: IncomingMessage, response: ServerResponse, key: string, body: Buffer): void {
    if (request.headers['content-length'] === undefined) {
      return refuse(request, response, refusal(411, 'MissingContentLength'));
    }
    const checksum = request.headers['x-amz-checksum-sha256'];
    if (checksum !== undefined && checksum !== sha256(body).toString('base64')) {
      return refuse(request, response, refusal(400, 'BadDigest'));
    }
    this.objects.set(key, body);
    response.writeHead(200, { etag: `"${createHash('md5').update(body).digest('hex')}"` }).end();
  }

  private get(request: IncomingMessage, response: ServerResponse, key: string): void {
    const object = this.objects.get(key);
    if (object === undefined) return refuse(request, response, refusal(404, 'NoSuchKey'));
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    if (range === null) {
      response.writeHead(200, { 'content-length': object.length });
      return void response.end(request.method === 'HEAD' ? undefined : object);
    }
    const [start, last] = [Number(range[1]), Math.min(Number(range[2]), object.length - 1)];
    if (start >= object.length) return refuse(request, response, refusal(416, 'InvalidRange'));
    const part = object.subarray(start, last + 1);
    const headers = { 'content-length': part.length, 'content-range': `bytes ${start}-${last}/${object.length}` };
    response.writeHead(206, headers).end(part);
  }

  /** AWS Signature Version 4, of the headers that the request says it signed. */
  private signatureProblem(request: IncomingMessage, url: URL, body: Buffer): Refusal | null {
    const given = /^AWS4-HMAC-SHA256 Credential=([^,]+), SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
      request.headers.authorization ?? '',
    );
    if (given === null) return refusal(403, 'AccessDenied');
    const [, credential = '', names = '', signature = ''] = given;
    const [keyId, ...scope] = credential.split('/');
    if (keyId !== this.accessKeyId) return refusal(403, 'InvalidAccessKeyId');
    const [date = '', region = ''] = scope;
    if (region !== this.region) return refusal(400, 'AuthorizationHeaderMalformed');
    const payload = String(request.headers['x-amz-content-sha256'] ?? '');
    if (/^[0-9a-f]{64}$/.test(payload) && payload !== sha256(body).toString('hex')) {
      return refusal(400, 'XAmzContentSHA256Mismatch');
    }
    const headers = names.split(';').map((name) => `${name}:${String(request.headers[name] ?? '').trim()}\n`);
    const query = [...url.searchParams].map((pair) => pair.map(encodeURIComponent).join('=')).sort();
    const canonical = [request.method, url.pathname, query.join('&'), headers.join(''), names, payload].join('\n');
    const time = String(request.headers['x-amz-date'] ?? '');
    const toSign = ['AWS4-HMAC-SHA256', time, scope.join('/'), sha256(canonical).toString('hex')].join('\n');
    const key = [date, region, 's3', 'aws4_request'].reduce<Buffer | string>(hmac, `AWS4${this.secretAccessKey}`);
    const isRight = timingSafeEqual(hmac(key, toSign), Buffer.from(signature, 'hex'));
    return isRight ? null : refusal(403, 'SignatureDoesNotMatch');
  }
}

function refuse(request: IncomingMessage, response: ServerResponse, { status, code }: Refusal): void {
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${code}</Message></Error>`;
  response.writeHead(status, { 'content-type': 'application/xml' }).end(request.method === 'HEAD' ? undefined : body);
}
