import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { DomainError, encodeFrame, type Frame, readFrames, roomIn, toWireError } from '#kernel';
import type { CommandFrame, ExecRequest, Execution, ReportFrame, SandboxOperations } from '#sandboxes';
import { answer, answerError, parseJson, readJson } from './runner-http.js';
import type { OfferedBubblewrap } from './sandboxes/offered-bubblewrap.js';

const report: (kind: ReportFrame, payload?: Buffer | string) => Buffer = encodeFrame;

/** Serves sandboxes over HTTP: `POST /<operation>`; one connection per command, which ends with it. */
export function createSandboxServer(offered: OfferedBubblewrap): Server {
  const operations: Readonly<Record<keyof SandboxOperations, Handler>> = {
    exec: (request, response) => exec(offered, request, response),
    stop: async (request, response) => {
      const { sandboxId } = (await readJson(request)) as SandboxOperations['stop']['params'];
      await offered.stop(sandboxId);
      answer(response, 200, null);
    },
    support: async (_request, response) => answer(response, 200, await offered.support()),
    usage: async (request, response) => {
      const { workspace } = (await readJson(request)) as SandboxOperations['usage']['params'];
      answer(response, 200, await offered.diskUsage(workspace));
    },
  };
  const server = createServer({ requestTimeout: 0, headersTimeout: 10_000, keepAlive: false }, (request, response) => {
    handlerOf(operations, request)(request, response).catch((error: unknown) =>
      answerError('sandbox', request, response, error),
    );
  });
  server.timeout = 0;
  return server;
}

type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

function handlerOf(operations: Readonly<Record<string, Handler>>, { url = '' }: IncomingMessage): Handler {
  const name = url.slice(1);
  if (Object.hasOwn(operations, name)) return operations[name]!;
  return () => Promise.reject(new DomainError('not_found', 'No such operation'));
}

async function exec(offered: OfferedBubblewrap, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const orders = readFrames(request as AsyncIterable<Buffer>);
  const first = await orders.next();
  if (first.done) throw new DomainError('bad_request', 'A command comes first');
  const execution = await offered.exec(parseJson(first.value.payload.toString('utf8')) as ExecRequest);
  response.writeHead(200, { 'Content-Type': 'application/octet-stream' }).flushHeaders();
  // Whoever gives the orders is gone with its connection, and so is what it ordered.
  const leave = (): void => {
    if (!response.writableFinished) void execution.kill().catch(() => undefined);
  };
  response.once('close', leave);
  if (response.closed) leave();
  response.on('error', () => undefined);
  void obey(execution, orders, response).catch(() => response.destroy());
  for await (const { stream, data } of execution.output) {
    response.write(report(stream === 'stdout' ? 'o' : 'e', data));
    await roomIn(response);
  }
  response.end(
    await execution.exit.then(
      (facts) => report('x', JSON.stringify(facts)),
      (error: unknown) => report('f', JSON.stringify(toWireError(toDomainError(error)))),
    ),
  );
}

/** Input is given on without waiting for it to be taken: an order to cancel must not stand behind it. */
async function obey(execution: Execution, orders: AsyncIterable<Frame>, response: ServerResponse): Promise<void> {
  for await (const { kind, payload } of orders) {
    switch (kind as CommandFrame) {
      case 'b':
        execution.begin();
        break;
      case 'i':
        void execution.write(payload).then(() => response.write(report('t')));
        break;
      case 'e':
        await execution.write(null);
        break;
      case 's':
        execution.signal(payload.toString('latin1') as NodeJS.Signals);
        break;
      case 'k':
        execution.cancel();
        break;
      default:
        throw new Error(`no order: ${kind}`);
    }
  }
}

function toDomainError(error: unknown): DomainError {
  return error instanceof DomainError
    ? error
    : new DomainError('internal', 'The sandbox runner failed', { cause: error });
}
