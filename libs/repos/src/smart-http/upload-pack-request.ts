import type { Readable } from 'node:stream';
import { DomainError } from '#kernel';
import type { UploadPackParser, UploadPackRequest } from './fetch-request.js';
import { FetchV0Parser } from './fetch-v0-parser.js';
import { FetchV2Parser } from './fetch-v2-parser.js';
import type { ProtocolVersion } from './git-protocol.js';
import { FLUSH_PKT, pktLine, PktReader } from './pkt-line.js';
import { bodyChunks } from './request-body.js';

/** Packets of one request; each costs memory even when it is only four bytes long on the wire. */
const MOST_PKTS = 1_000_000;

/** The reply to a request without wants (contract 15.3). */
export const NO_WANTS_REPLY = Buffer.concat([pktLine('NAK\n'), FLUSH_PKT]);

/**
 * Reads and parses a fetch request as it arrives, without ever holding the main thread for long.
 * @throws invalid_input for anything outside the grammar; payload_too_large `Request body too large`
 */
export async function readUploadPackRequest(
  body: Readable,
  facts: { version: ProtocolVersion; encoding?: string | undefined; limit?: number },
): Promise<UploadPackRequest> {
  const feed = feeder(facts.version);
  for await (const chunk of bodyChunks(body, facts.encoding, facts.limit)) feed.push(chunk);
  return feed.finish();
}

/** The same for a request that is already in memory. */
export function parseUploadPackRequest(body: Buffer, version: ProtocolVersion): UploadPackRequest {
  const feed = feeder(version);
  feed.push(body);
  return feed.finish();
}

/** The reply that makes a git client print `message` as the server's error. */
export function fetchErrorReply(message: string): Buffer {
  return pktLine(`ERR ${message}\n`);
}

/** The error stock git gives for a want the caller may not have. */
export function refusedWantReply(oid: string): Buffer {
  return fetchErrorReply(`upload-pack: not our ref ${oid}`);
}

function feeder(version: ProtocolVersion): { push(chunk: Buffer): void; finish(): UploadPackRequest } {
  const reader = new PktReader();
  const parser: UploadPackParser = version === 2 ? new FetchV2Parser() : new FetchV0Parser(version);
  let pkts = 0;
  return {
    push(chunk) {
      reader.push(chunk);
      for (let pkt = reader.next(); pkt; pkt = reader.next()) {
        pkts += 1;
        if (pkts > MOST_PKTS) throw new DomainError('payload_too_large', 'Request body too large');
        parser.accept(pkt);
      }
    },
    finish() {
      if (reader.rest().length > 0) throw new DomainError('invalid_input', 'Malformed pkt-line');
      return parser.finish();
    },
  };
}
