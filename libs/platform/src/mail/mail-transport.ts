import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createTransport, type NodemailerError, type SendMailOptions } from 'nodemailer';
import type { AppConfig } from '../config/app-config.js';
import { mailFolder, senderOf, smtpOptions } from './mail-settings.js';
import type { MailContent } from './templates/content.js';

export interface OutgoingMail extends MailContent {
  readonly id: string;
  readonly template: string;
  readonly to: string;
  readonly createdAt: Date;
}

/** Thrown when trying again would end the same way: the mail server does not take this mail. */
export class MailRefused extends Error {}

/** Takes one mail out of the server's hands. */
export abstract class MailTransport {
  abstract readonly kind: 'smtp' | 'file';

  /** Answers where the mail went, for the log. @throws MailRefused, or anything else when a later try may succeed */
  abstract deliver(mail: OutgoingMail, signal: AbortSignal): Promise<string>;
}

export function mailTransport(config: AppConfig): MailTransport {
  const smtp = smtpOptions(config);
  return smtp ? new SmtpTransport(config) : new FileTransport(config);
}

class SmtpTransport extends MailTransport {
  readonly kind = 'smtp';
  private readonly smtp;

  constructor(private readonly config: AppConfig) {
    super();
    this.smtp = createTransport(smtpOptions(config) ?? {});
  }

  async deliver(mail: OutgoingMail, signal: AbortSignal): Promise<string> {
    try {
      const { response } = await this.smtp.sendMail({ ...messageOf(mail, this.config), signal });
      return response;
    } catch (error) {
      throw isRefusal(error as NodemailerError) ? new MailRefused((error as Error).message, { cause: error }) : error;
    }
  }
}

/** Without a mail server: one file per mail, for the operator to pass on. */
class FileTransport extends MailTransport {
  readonly kind = 'file';
  private readonly composer = createTransport({ streamTransport: true, buffer: true, newline: 'windows' });

  constructor(private readonly config: AppConfig) {
    super();
  }

  async deliver(mail: OutgoingMail): Promise<string> {
    const { message } = await this.composer.sendMail(messageOf(mail, this.config));
    const folder = mailFolder(this.config);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const time = mail.createdAt.toISOString().replace(/[:.]/g, '-');
    const path = join(folder, `${time}-${mail.template}-${mail.id}.eml`);
    await writeWhole(folder, path, message as Buffer);
    return path;
  }
}

/** The file appears whole or not at all, and stays after a power cut. */
async function writeWhole(folder: string, path: string, content: Buffer): Promise<void> {
  const draft = `${path}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    const file = await open(draft, 'wx', 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
  const names = await open(folder, 'r');
  try {
    await names.sync();
  } finally {
    await names.close();
  }
}

function messageOf(mail: OutgoingMail, config: AppConfig): SendMailOptions {
  const from = senderOf(config);
  return {
    from: { ...from },
    to: { name: '', address: mail.to },
    // Given apart, so that an address which reads like a list of addresses is still one.
    envelope: { from: from.address, to: [mail.to] },
    subject: mail.subject,
    text: mail.text,
    html: mail.html,
    date: mail.createdAt,
    // The same at every try: who gets a mail twice after a lost answer sees that it is one.
    messageId: `<${mail.id}@${from.address.split('@')[1]}>`,
    headers: { 'Auto-Submitted': 'auto-generated' },
    xMailer: false,
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

/**
 * True for a permanent answer about this recipient or this message. A refused login, sender or STARTTLS is permanent in
 * SMTP's words but is the operator's to mend, so it is tried again.
 */
function isRefusal({ code, command, permanent }: NodemailerError): boolean {
  if (code === 'EENVELOPE' && command === 'API') return true;
  return permanent === true && (command === 'RCPT TO' || command === 'DATA');
}
