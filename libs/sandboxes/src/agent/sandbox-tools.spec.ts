import type { Execution, ExitFacts, SandboxPlace, SandboxProvider } from '../provider/sandbox-provider.js';
import type { FileView, WorkspaceFiles } from '../workspace/workspace-files.js';
import { SandboxTools } from './sandbox-tools.js';

const FACTS: ExitFacts = {
  code: 137,
  signal: 'SIGKILL',
  timedOut: false,
  oomKilled: false,
  tooManyProcesses: false,
  diskFull: false,
  cancelled: false,
  truncated: false,
  durationMs: 1,
};

async function told(facts: Partial<ExitFacts>): Promise<string> {
  const output = (async function* () {})();
  const exit = Promise.resolve({ ...FACTS, ...facts });
  const execution = { output, exit, write: () => Promise.resolve(), cancel: () => undefined };
  const provider = { exec: () => Promise.resolve(execution as unknown as Execution) };
  const tools = new SandboxTools(provider as unknown as SandboxProvider, {} as WorkspaceFiles);
  const where = { view: {} as FileView, place: {} as SandboxPlace, base: '' };
  const exec = tools.of(where).find(({ name }) => name === 'exec')!;
  return (await exec.run({ command: 'true' }, new AbortController().signal)).content;
}

describe('an agent', () => {
  it.each<[keyof ExitFacts, string]>([
    ['timedOut', 'timed out'],
    ['oomKilled', 'out of memory'],
    ['tooManyProcesses', 'too many processes'],
    ['diskFull', 'no room left on the disk'],
    ['truncated', 'output truncated'],
  ])('is told why its command was ended: %s', async (fact, words) => {
    expect(await told({ [fact]: true })).toBe(`[exit code 137, ${words}]`);
  });
});
