import { join } from 'node:path';
import type { SMTPTransportOptions } from 'nodemailer';
import type { AppConfig } from '../config/app-config.js';

const TLS_PORT = 465;
const SUBMISSION_PORT = 587;
const CONNECT_MS = 15_000;
const SILENCE_MS = 30_000;

/** How to reach the configured mail server; null when there is none. */
export function smtpOptions(config: AppConfig): SMTPTransportOptions | null {
  const server = config.SMTP_URL ? fromUrl(config.SMTP_URL) : fromPieces(config);
  if (!server) return null;
  const demand = config.SMTP_SECURE ?? (server.isTls || server.port === TLS_PORT ? 'tls' : undefined);
  return {
    host: server.host,
    port: server.port ?? (demand === 'tls' ? TLS_PORT : SUBMISSION_PORT),
    secure: demand === 'tls',
    // A password is not sent in the clear because somebody on the way took the offer of STARTTLS out of the greeting.
    requireTLS: demand === 'starttls' || (demand === undefined && server.auth !== null && !isLoopback(server.host)),
    ...(server.auth && { auth: server.auth }),
    connectionTimeout: CONNECT_MS,
    greetingTimeout: CONNECT_MS,
    dnsTimeout: CONNECT_MS,
    socketTimeout: SILENCE_MS,
  };
}

/** Where mail goes, for people. */
export function describeMail(config: AppConfig): string {
  const smtp = smtpOptions(config);
  return smtp ? `SMTP at ${smtp.host}:${smtp.port}` : `written to ${mailFolder(config)}`;
}

export function mailFolder(config: Pick<AppConfig, 'DATA_DIR'>): string {
  return join(config.DATA_DIR, 'mail');
}

export interface Sender {
  readonly name: string;
  readonly address: string;
}

/** MAIL_FROM, taken apart. */
export function senderOf(config: AppConfig): Sender {
  if (config.MAIL_FROM) {
    const [, name = '', address = ''] = /^(?:(.*) )?<?([^\s<>]+)>?$/.exec(config.MAIL_FROM) ?? [];
    return { name: name.trim().replace(/^"(.*)"$/, '$1'), address };
  }
  const { hostname } = new URL(config.publicUrl);
  // An address of numbers is no mail domain.
  return { name: 'Roundhouse', address: `noreply@${/[:\d]$|\]$/.test(hostname) ? 'localhost' : hostname}` };
}

interface MailServer {
  readonly host: string;
  readonly port: number | undefined;
  readonly isTls: boolean;
  readonly auth: { readonly user: string; readonly pass: string } | null;
}

function fromUrl(setting: string): MailServer {
  const url = new URL(setting);
  const user = decodeURIComponent(url.username);
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port ? Number(url.port) : undefined,
    isTls: url.protocol === 'smtps:',
    auth: user ? { user, pass: decodeURIComponent(url.password) } : null,
  };
}

function fromPieces(config: AppConfig): MailServer | null {
  if (!config.SMTP_HOST) return null;
  const auth = config.SMTP_USER ? { user: config.SMTP_USER, pass: config.SMTP_PASSWORD ?? '' } : null;
  return { host: config.SMTP_HOST, port: config.SMTP_PORT, isTls: false, auth };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}
