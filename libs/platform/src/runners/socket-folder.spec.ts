import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { newSocketFolder, sweepSocketFolders } from './socket-folder.js';

let parent: string;
let mark: { space: string; pid: string; start: string };

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'rh-sockets-'));
  const [, space, pid, start] = /-(\w+)\.(\w+)\.(\w+)-\w{6}$/.exec(basename(newSocketFolder('mine', parent)))!;
  mark = { space: space!, pid: pid!, start: start! };
});

afterEach(() => rmSync(parent, { recursive: true }));

const folderOf = (owner: Partial<typeof mark>, name = 'git'): string => {
  const { space, pid, start } = { ...mark, ...owner };
  const folder = join(parent, `roundhouse-${name}-${space}.${pid}.${start}-aB3dE6`);
  mkdirSync(folder);
  return folder;
};

/** A socket as a killed process leaves it. */
async function leaveSocket(path: string): Promise<void> {
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 9))`;
  await once(spawn(process.execPath, ['-e', script]), 'exit');
  expect(existsSync(path)).toBe(true);
}

describe('folders of sockets', () => {
  it('are swept when their process is gone, or another one has its number', async () => {
    const gone = folderOf({ pid: (4_194_304).toString(36) });
    const reused = folderOf({ start: '1' }, 'sandbox');
    await leaveSocket(join(gone, '1.sock'));
    mkdirSync(join(reused, 'workspaces'));
    sweepSocketFolders(parent);
    expect([gone, reused].filter((folder) => existsSync(folder))).toEqual([]);
  });

  it('stay when their process lives, or nobody can tell', () => {
    const kept = [
      folderOf({}),
      folderOf({ space: (Number(/\d+/.exec(readlinkSync('/proc/self/ns/pid'))![0]) + 1).toString(36), start: '1' }),
    ];
    mkdirSync(join(parent, 'roundhouse-data'));
    sweepSocketFolders(parent);
    expect([...kept, join(parent, 'roundhouse-data')].filter((folder) => !existsSync(folder))).toEqual([]);
  });

  it('stay when there is more in them than sockets', () => {
    const [file, deep] = [folderOf({ start: '1' }), folderOf({ start: '2' })];
    writeFileSync(join(file, 'data'), 'data');
    mkdirSync(join(deep, 'workspaces'));
    writeFileSync(join(deep, 'workspaces', 'data'), 'data');
    sweepSocketFolders(parent);
    expect(existsSync(join(file, 'data')) && existsSync(join(deep, 'workspaces', 'data'))).toBe(true);
  });

  it('have room for the path of a socket', async () => {
    const server = createServer();
    const path = join(newSocketFolder('sandbox'), '9999999.sock');
    await once(server.listen(path), 'listening');
    server.close();
    await once(server, 'close');
    rmSync(join(path, '..'), { recursive: true });
  });
});
