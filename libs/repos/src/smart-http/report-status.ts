import { FLUSH_PKT, MAX_PKT_DATA, pktLine } from './pkt-line.js';
import type { PushCapabilities } from './receive-pack-request.js';

export interface PushReport {
  /** Null for `unpack ok`, else why the pack was not taken. */
  readonly unpackError: string | null;
  readonly refs: readonly { readonly ref: string; readonly refusal: string | null }[];
}

const BAND_DATA = 1;
const BAND_PROGRESS = 2;
const MOST_IN_BAND = MAX_PKT_DATA - 1;
const LONGEST_REASON = 300;

/** An empty packet of the report's band, which clients with side-band-64k skip; keeps a long push alive. */
export const KEEP_ALIVE_PKT = pktLine(Buffer.from([BAND_DATA]));

/** The body that answers a push (contract 15.4), as the client asked for it; empty if it wants no report. */
export function pushReport(report: PushReport, capabilities: PushCapabilities): Buffer {
  const lines = capabilities.reportStatus ? reportLines(report) : Buffer.alloc(0);
  if (!capabilities.sideBand64k) return lines;
  return Buffer.concat([...inBand(BAND_DATA, lines), FLUSH_PKT]);
}

/** Text the client prints as `remote: …`; to be sent before the report, and only with side-band-64k. */
export function pushMessage(text: string, capabilities: PushCapabilities): Buffer {
  if (!capabilities.sideBand64k || capabilities.quiet) return Buffer.alloc(0);
  return Buffer.concat(inBand(BAND_PROGRESS, Buffer.from(text)));
}

function reportLines({ unpackError, refs }: PushReport): Buffer {
  return Buffer.concat([
    pktLine(`unpack ${unpackError === null ? 'ok' : oneLine(unpackError)}\n`),
    ...refs.map(({ ref, refusal }) => pktLine(refusal === null ? `ok ${ref}\n` : `ng ${ref} ${oneLine(refusal)}\n`)),
    FLUSH_PKT,
  ]);
}

function inBand(band: number, data: Buffer): Buffer[] {
  const pkts: Buffer[] = [];
  for (let at = 0; at < data.length; at += MOST_IN_BAND) {
    pkts.push(pktLine(Buffer.concat([Buffer.from([band]), data.subarray(at, at + MOST_IN_BAND)])));
  }
  return pkts;
}

/** A reason is the rest of its line: a newline in it would forge another report line. */
function oneLine(text: string): string {
  return text.replace(/[\x00-\x1f\x7f]+/g, ' ').slice(0, LONGEST_REASON);
}
