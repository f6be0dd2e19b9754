import { randomBytes } from 'node:crypto';
import { tarGz, type TestMember } from '../../libs/sessions/src/archive/testing/archives.js';
import type { Answer, Client } from './client.js';

export const newSessionId = (): string => `ses_${randomBytes(8).toString('hex')}`;

/** An archive as the command line makes it: a manifest, messages, and what is given beside them. */
export function sessionArchive(
  manifest: Record<string, unknown>,
  messages: readonly (object | string)[],
  more: readonly TestMember[] = [],
): Promise<Buffer> {
  const lines = messages.map((message) => (typeof message === 'string' ? message : JSON.stringify(message)));
  return tarGz(
    {
      name: 'manifest.json',
      content: JSON.stringify({ sfs_version: '0.1.0', source: { tool: 'codex' }, ...manifest }),
    },
    { name: 'messages.jsonl', content: lines.map((line) => `${line}\n`).join('') },
    ...more,
  );
}

export const userSays = (text: string): object => ({ msg_id: text, role: 'user', content: [{ type: 'text', text }] });

export const agentSays = (text: string): object => ({ role: 'assistant', content: [{ type: 'text', text }] });

/** Pushes as the command line does: multipart, one field `file`. */
export function pushSession(
  client: Client,
  id: string,
  archive: Buffer,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return sendFile(client, 'PUT', `/api/v1/sessions/${id}/sync`, archive, headers);
}

/** A form with one field `file`. */
export function sendFile(
  client: Client,
  method: string,
  path: string,
  content: Buffer,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const boundary = randomBytes(12).toString('hex');
  const head = `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="session.tar.gz"\r\nContent-Type: application/gzip\r\n\r\n`;
  const body = Buffer.concat([Buffer.from(head), content, Buffer.from(`\r\n--${boundary}--\r\n`)]);
  return client.send(method, path, body, {
    'content-type': `multipart/form-data; boundary=${boundary}`,
    ...headers,
  });
}
