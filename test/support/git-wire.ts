import { DELIM_PKT, FLUSH_PKT, pktLine } from '../../libs/repos/src/smart-http/pkt-line.js';

export interface WireAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** Bytes as latin1 text. */
  readonly text: string;
}

/** The Authorization header a git client sends for `key`. */
export function basic(key: string): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(`git:${key}`).toString('base64')}` };
}

/** Sends one request of the git protocol written by hand. */
export async function postGit(url: string, body: Buffer, headers: Record<string, string>): Promise<WireAnswer> {
  return answerOf(await fetch(url, { method: 'POST', body: new Uint8Array(body), headers }));
}

export async function getGit(url: string, headers: Record<string, string> = {}): Promise<WireAnswer> {
  return answerOf(await fetch(url, { headers }));
}

async function answerOf(response: Response): Promise<WireAnswer> {
  const text = Buffer.from(await response.arrayBuffer()).toString('latin1');
  return { status: response.status, headers: response.headers, text };
}

export interface WireCommand {
  readonly old: string;
  readonly new: string;
  readonly ref: string;
}

/** The body of a push. */
export function pushBody(commands: readonly WireCommand[], pack: Buffer, capabilities = 'report-status'): Buffer {
  const lines = commands.map(
    ({ old, new: target, ref }, index) => `${old} ${target} ${ref}${index === 0 ? `\0${capabilities}` : ''}`,
  );
  return Buffer.concat([...lines.map((line) => pktLine(line)), FLUSH_PKT, pack]);
}

/** The body of a fetch of one object, and the header that goes with it, in versions 0 and 2. */
export function wantRequests(oid: string): readonly { body: Buffer; headers: Record<string, string> }[] {
  return [
    {
      body: Buffer.concat([pktLine(`want ${oid} side-band-64k ofs-delta\n`), FLUSH_PKT, pktLine('done\n')]),
      headers: {},
    },
    {
      body: Buffer.concat([
        pktLine('command=fetch'),
        DELIM_PKT,
        pktLine(`want ${oid}\n`),
        pktLine('done\n'),
        FLUSH_PKT,
      ]),
      headers: { 'git-protocol': 'version=2' },
    },
  ];
}
