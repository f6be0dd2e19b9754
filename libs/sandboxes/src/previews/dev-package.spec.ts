import { choosePackage } from './dev-package.js';

const parts = (...packages: [file: string, content: object | string, locks?: string][]): Buffer[] =>
  packages.flatMap(([file, content, locks = '']) =>
    [file, typeof content === 'string' ? content : JSON.stringify(content), locks].map((text) => Buffer.from(text)),
  );
const scripts = (line: string, name = 'dev'): object => ({ scripts: { [name]: line } });

describe('the package whose server is started', () => {
  it('is the nearest to the root with a script for it', () => {
    const chosen = choosePackage(
      parts(['package.json', { name: 'root' }], ['web/package.json', scripts('x')], ['a/b/package.json', scripts('y')]),
    );
    expect(chosen).toEqual({ path: 'web', manager: 'npm', script: 'dev', line: 'x', port: 3000 });
    expect(choosePackage(parts(['package.json', scripts('x', 'start')]))).toMatchObject({ path: '.', script: 'start' });
    const both = { scripts: { start: 's', dev: 'd' } };
    expect(choosePackage(parts(['package.json', both]))).toMatchObject({ script: 'dev', line: 'd' });
  });

  it.each<[string, object, string, string]>([
    ['pnpm', {}, 'pnpm-lock.yaml\n', ''],
    ['yarn', {}, 'yarn.lock\n', 'package-lock.json\n'],
    ['bun', {}, '', 'bun.lockb\n'],
    ['npm', {}, 'package-lock.json\n', 'pnpm-lock.yaml\n'],
    ['pnpm', { packageManager: 'pnpm@9.1.0' }, '', ''],
    ['npm', { packageManager: '; rm -rf /' }, '', ''],
  ])('is run by %s: %j beside %j, below %j', (manager, more, locks, locksOfRoot) => {
    const list = parts(['package.json', {}, locksOfRoot], ['web/package.json', { ...scripts('x'), ...more }, locks]);
    expect(choosePackage(list)).toMatchObject({ manager });
  });

  it.each([
    ['vite', 5173],
    ['vitest', 3000],
    ['astro dev', 4321],
    ['next dev', 3000],
    ['vite --port 4321', 4321],
    ['next dev -p 8000', 8000],
    ['PORT=5173 node x', 5173],
    ['vite --port 9999', 5173],
  ])('of %j is expected at %d', (line, port) => {
    expect(choosePackage(parts(['package.json', scripts(line)]))).toMatchObject({ port });
  });

  it.each([
    '',
    'null',
    '[]',
    '"text"',
    '{"scripts":null}',
    '{"scripts":{"dev":7}}',
    '{"scripts":"dev"}',
    '{',
    '{"scripts":{"dev":"a\\u0000b"}}',
  ])('is none that says %j', (text) => {
    expect(choosePackage(parts(['package.json', text]))).toBeNull();
  });
});
