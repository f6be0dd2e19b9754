import { type AppConfig, loadConfig } from '../config/app-config.js';
import { describeMail, senderOf, smtpOptions } from './mail-settings.js';

const load = (env: Record<string, string> = {}): AppConfig =>
  loadConfig({ DATABASE_URL: 'postgres://somewhere/db', DATA_DIR: '/data', ...env });

describe('the mail server', () => {
  it('is none until it is named', () => {
    expect(smtpOptions(load({ SMTP_USER: 'me' }))).toBeNull();
    expect(describeMail(load())).toBe('written to /data/mail');
  });

  it.each([
    [{ SMTP_URL: 'smtp://mx.example.org' }, { host: 'mx.example.org', port: 587, secure: false, requireTLS: false }],
    [{ SMTP_URL: 'smtps://mx.example.org' }, { host: 'mx.example.org', port: 465, secure: true }],
    [{ SMTP_URL: 'smtp://mx.example.org:465' }, { port: 465, secure: true }],
    [
      { SMTP_URL: 'smtp://[::1]:25', SMTP_HOST: 'other' },
      { host: '::1', port: 25 },
    ],
    [
      { SMTP_HOST: 'mx.example.org', SMTP_SECURE: 'tls' },
      { port: 465, secure: true },
    ],
    [
      { SMTP_HOST: 'mx.example.org', SMTP_PORT: '25', SMTP_SECURE: 'starttls' },
      { port: 25, requireTLS: true },
    ],
    [{ SMTP_URL: 'smtp://a%40b:p%2Fw@mx.example.org' }, { auth: { user: 'a@b', pass: 'p/w' }, requireTLS: true }],
    [{ SMTP_HOST: 'mx.example.org', SMTP_USER: 'a', SMTP_PASSWORD: 'b' }, { auth: { user: 'a', pass: 'b' } }],
    // A password goes unencrypted only within the machine, or when somebody says so.
    [{ SMTP_URL: 'smtp://a:b@127.0.0.1:25' }, { requireTLS: false }],
    [{ SMTP_URL: 'smtp://a:b@127.example.org' }, { requireTLS: true }],
    [
      { SMTP_URL: 'smtp://a:b@mx.example.org', SMTP_SECURE: 'optional' },
      { secure: false, requireTLS: false },
    ],
  ])('is read from %j', (env, expected) => {
    expect(smtpOptions(load(env as Record<string, string>))).toMatchObject(expected);
  });

  it('is described without its password', () => {
    expect(describeMail(load({ SMTP_URL: 'smtp://me:hush@mx.example.org:25' }))).toBe('SMTP at mx.example.org:25');
  });
});

describe('the sender', () => {
  it.each([
    [{ PUBLIC_URL: 'https://code.example.org/base' }, { name: 'Roundhouse', address: 'noreply@code.example.org' }],
    [{ PUBLIC_URL: 'https://10.0.0.1:8080' }, { name: 'Roundhouse', address: 'noreply@localhost' }],
    [{ HOST: '::1' }, { name: 'Roundhouse', address: 'noreply@localhost' }],
    [{ HOST: '0.0.0.0' }, { name: 'Roundhouse', address: 'noreply@localhost' }],
    [{ MAIL_FROM: 'robot@example.org' }, { name: '', address: 'robot@example.org' }],
    [{ MAIL_FROM: '<robot@example.org>' }, { name: '', address: 'robot@example.org' }],
    [{ MAIL_FROM: 'Acme Bots, Inc. <robot@example.org>' }, { name: 'Acme Bots, Inc.', address: 'robot@example.org' }],
    [{ MAIL_FROM: '"Acme" <robot@example.org>' }, { name: 'Acme', address: 'robot@example.org' }],
  ])('with %j', (env, expected) => {
    expect(senderOf(load(env as Record<string, string>))).toEqual(expected);
  });
});
