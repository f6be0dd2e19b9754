import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import PostalMime, { type Email } from 'postal-mime';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { LOCALHOST } from './localhost-certificate.js';

export interface ReceivedMail extends Omit<Email, 'sender'> {
  readonly recipients: readonly string[];
  /** Of the envelope. */
  readonly sender: string;
  readonly raw: string;
  readonly isEncrypted: boolean;
  readonly user: string | null;
}

/** How the peer treats one recipient, until it is told otherwise. */
export type Treatment =
  | { readonly at: 'rcpt' | 'data'; readonly code: number; readonly text: string }
  /** The connection is cut after the message was read, before any answer. */
  | 'cut'
  /** The message is taken, but its answer waits for `release`. */
  | 'hold';

export interface SmtpPeerOptions {
  /** Port to listen on; a free one when absent. */
  readonly port?: number;
  /** Offer STARTTLS (true), or refuse mail outside TLS ('required'). */
  readonly tls?: boolean | 'required';
  readonly login?: { readonly user: string; readonly password: string };
}

export interface SmtpPeer {
  readonly port: number;
  /** Accepted mail, oldest first. */
  readonly mails: readonly ReceivedMail[];
  /** Recipients of every RCPT that was answered, accepted or not. */
  readonly attempts: readonly string[];
  treat(recipient: string, treatment: Treatment | null): void;
  /** Messages that were read and wait for `release`. */
  readonly heldCount: number;
  /** Accepts what is held, now and from here on. */
  release(): void;
  mailTo(recipient: string): ReceivedMail[];
  close(): Promise<void>;
}

/** A mail server as others run it: SMTP with STARTTLS and logins, which refuses what such a server refuses. */
export async function startSmtpPeer(options: SmtpPeerOptions = {}): Promise<SmtpPeer> {
  const peer = new Peer(options);
  await peer.listen(options.port ?? 0);
  return peer;
}

class Peer implements SmtpPeer {
  readonly mails: ReceivedMail[] = [];
  readonly attempts: string[] = [];
  private readonly treatments = new Map<string, Treatment>();
  private readonly sockets = new Set<Socket>();
  private readonly held: (() => void)[] = [];
  private readonly server: SMTPServer;

  constructor(private readonly options: SmtpPeerOptions) {
    this.server = new SMTPServer(this.serverOptions());
    this.server.server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
    // Clients that hang up early are what some tests are about.
    this.server.on('error', () => undefined);
  }

  get port(): number {
    return (this.server.server.address() as AddressInfo).port;
  }

  get heldCount(): number {
    return this.held.length;
  }

  async listen(port: number): Promise<void> {
    this.server.listen(port, '127.0.0.1');
    await once(this.server.server, 'listening');
  }

  treat(recipient: string, treatment: Treatment | null): void {
    if (treatment) this.treatments.set(recipient, treatment);
    else this.treatments.delete(recipient);
  }

  release(): void {
    for (const answer of this.held.splice(0)) answer();
    for (const [recipient, treatment] of this.treatments) if (treatment === 'hold') this.treatments.delete(recipient);
  }

  mailTo(recipient: string): ReceivedMail[] {
    return this.mails.filter((mail) => mail.recipients.includes(recipient));
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise<void>((closed) => this.server.close(() => closed()));
  }

  private serverOptions(): SMTPServerOptions {
    const { tls, login } = this.options;
    return {
      ...(tls && LOCALHOST),
      hideSMTPUTF8: true,
      disableReverseLookup: true,
      disabledCommands: [...(tls ? [] : ['STARTTLS']), ...(login ? [] : ['AUTH'])],
      authOptional: !login,
      size: 1_000_000,
      onAuth: ({ username, password }, _session, done) => {
        if (username === login?.user && password === login?.password) return done(null, { user: username });
        done(reply(535, '5.7.8 Authentication credentials invalid'));
      },
      onMailFrom: (_address, session, done) => {
        if (tls === 'required' && !session.secure) return done(reply(530, '5.7.0 Must issue a STARTTLS command first'));
        done();
      },
      onRcptTo: ({ address }, _session, done) => {
        this.attempts.push(address);
        if (/[^\x20-\x7e]/.test(address)) return done(reply(553, '5.6.7 SMTPUTF8 is required'));
        const treatment = this.treatments.get(address);
        if (typeof treatment === 'object' && treatment.at === 'rcpt')
          return done(reply(treatment.code, treatment.text));
        done();
      },
      onData: (stream, session, done) => void this.take(stream, session, done),
    };
  }

  private async take(...[stream, session, done]: Parameters<NonNullable<SMTPServerOptions['onData']>>): Promise<void> {
    let raw: Buffer;
    try {
      raw = await buffer(stream);
    } catch (error) {
      // The client hung up within its message.
      return done(error as Error);
    }
    const recipients = session.envelope.rcptTo.map(({ address }) => address);
    const treatment = recipients.map((recipient) => this.treatments.get(recipient)).find(Boolean);
    if (treatment === 'cut') return this.sockets.forEach((socket) => socket.destroy());
    if (typeof treatment === 'object') return done(reply(treatment.code, treatment.text));
    const complaint = complaintAbout(raw.toString('latin1'));
    if (complaint) return done(reply(550, `5.6.0 ${complaint}`));
    const email = await PostalMime.parse(raw);
    const accept = (): void => {
      this.mails.push({
        ...email,
        recipients,
        sender: session.envelope.mailFrom ? session.envelope.mailFrom.address : '',
        raw: raw.toString('latin1'),
        isEncrypted: session.secure,
        user: (session.user as string | undefined) ?? null,
      });
      done(null, 'queued');
    };
    if (treatment === 'hold') this.held.push(accept);
    else accept();
  }
}

function reply(code: number, text: string): Error {
  return Object.assign(new Error(text), { responseCode: code });
}

const REQUIRED_ONCE = ['From', 'To', 'Subject', 'Date', 'Message-ID', 'MIME-Version'];

/** What a strict receiver (RFC 5322 §2, §3.6) does not take; undefined when nothing is wrong. */
function complaintAbout(raw: string): string | undefined {
  if (/(^|[^\r])\n|\r(?!\n)/.test(raw)) return 'bare CR or LF';
  if (raw.split('\r\n').some((line) => line.length > 998)) return 'line too long';
  const end = raw.indexOf('\r\n\r\n');
  if (end < 0) return 'no body';
  const head = raw.slice(0, end);
  if (/[^\x09\x20-\x7e\r\n]/.test(head)) return 'header is not ASCII';
  const names = head.split(/\r\n(?![ \t])/).map((line) => /^([!-9;-~]+):/.exec(line)?.[1]?.toLowerCase());
  if (names.includes(undefined)) return 'malformed header';
  return REQUIRED_ONCE.find((name) => names.filter((found) => found === name.toLowerCase()).length !== 1)?.concat(
    ' must occur once',
  );
}
