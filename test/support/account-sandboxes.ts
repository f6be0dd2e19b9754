import { signUp, type TestAccount } from './client.js';
import { SandboxCli } from './peers/sandbox-cli.js';
import type { TestServer } from './server.js';

/** An account, and its command line for sandboxes. */
export interface SandboxPerson {
  readonly account: TestAccount;
  readonly cli: SandboxCli;
}

export async function newSandboxPerson(server: TestServer): Promise<SandboxPerson> {
  const account = await signUp(server);
  return { account, cli: new SandboxCli(server.url, account.key!) };
}

/** What the command line fails with. */
export function failure(status: number, message: string | RegExp): object {
  const text = typeof message === 'string' ? message : (expect.stringMatching(message) as string);
  return expect.objectContaining({ status, message: text }) as object;
}
