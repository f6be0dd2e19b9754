import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../config/app-config.js';
import { Sealed } from './sealed.js';

const MINE = { purpose: 'judge key', owner: 'ann' };

let dataDir: string;
const open = (): Sealed => new Sealed(loadConfig({ DATABASE_URL: 'postgres://unused', DATA_DIR: dataDir }));
const secretFile = (): string => join(dataDir, 'secrets', 'sealing');

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'rh-sealed-'));
});

afterEach(() => {
  rmSync(dataDir, { recursive: true });
});

it('opens what it sealed, also after a restart, and shows nothing of it', () => {
  const sealed = open().seal('sk-very-secret', MINE);
  expect(sealed.includes('sk-very-secret')).toBe(false);
  expect(open().open(sealed, MINE)).toBe('sk-very-secret');
});

it('opens nothing for another owner or purpose', () => {
  const sealed = open().seal('sk', MINE);
  for (const other of [
    { ...MINE, owner: 'bo' },
    { ...MINE, purpose: 'webhook secret' },
    { purpose: 'judge', owner: 'key ann' },
  ])
    expect(open().canOpen(sealed, other)).toBe(false);
});

it('opens with an older secret after a new one was put before it, and seals with the new one', () => {
  const sealed = open().seal('old', MINE);
  const old = readFileSync(secretFile(), 'utf8');
  writeFileSync(secretFile(), `${'ab'.repeat(32)}\n${old}\n`);
  expect(open().open(sealed, MINE)).toBe('old');
  const again = open().seal('new', MINE);
  writeFileSync(secretFile(), `${'ab'.repeat(32)}\n`);
  expect(open().open(again, MINE)).toBe('new');
  expect(open().canOpen(sealed, MINE)).toBe(false);
});

it('says that a text cannot be read when the secret is gone or the text is cut, and does not fail otherwise', () => {
  const sealed = open().seal('old', MINE);
  expect(() => open().open(sealed.subarray(0, 12), MINE)).toThrow(
    expect.objectContaining({ code: 'conflict', reason: 'secret_unreadable' }),
  );
  rmSync(secretFile());
  expect(() => open().open(sealed, MINE)).toThrow('The stored judge key can no longer be read; save it again');
});
