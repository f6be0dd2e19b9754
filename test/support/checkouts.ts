import { join } from 'node:path';
import { Database } from '../../libs/platform/src/index.js';
import { SandboxLifecycle, SandboxProvider } from '../../libs/sandboxes/src/index.js';
import type { Client } from './client.js';
import type { TestServer } from './server.js';

/** A session whose sandbox is up, with an empty directory for its repository. */
export interface Checkout {
  readonly id: string;
  /** Its own directory on the disk of the server. */
  readonly disk: string;
  /** Runs a script in the sandbox as its agent would, in the checkout. Answers what it writes; throws when it fails. */
  run(script: string): Promise<string>;
}

/** As if it had been provisioned without a repository. */
export async function startCheckout(server: TestServer, client: Client): Promise<Checkout> {
  const { body } = await client.post('/api/sessions');
  const id = (body as { session: { id: string } }).session.id;
  const db = server.app.get(Database);
  const [row] = await db.query<{ accountId: string }>(
    `with moved as (
       update coding_session set provider_state = '{"type":"vercel","sandboxName":"x"}',
         hibernate_after = now() + interval '30 min', expires_at = now() + interval '5 h' where sandbox_id = $1)
     update sandbox set state = 'active' where id = $1 returning account_id as "accountId"`,
    [id],
  );
  const disk = join(server.dataDir, 'workspaces', row!.accountId, '.sessions', id);
  const run = (script: string): Promise<string> => runIn(server, id, `mkdir -p ~/work && cd ~/work && ${script}`);
  await run('true');
  return { id, disk, run };
}

/** Runs a script in a sandbox that is up, in its home. Answers what it writes; throws when it fails. */
export async function runIn(server: TestServer, id: string, script: string): Promise<string> {
  const { place, release } = await server.app.get(SandboxLifecycle, { strict: false }).use({ id });
  try {
    const env = {
      GIT_AUTHOR_NAME: 'agent',
      GIT_AUTHOR_EMAIL: 'agent@test',
      GIT_COMMITTER_NAME: 'agent',
      GIT_COMMITTER_EMAIL: 'agent@test',
    };
    const command = { argv: ['/bin/sh', '-ec', script], env, timeoutMs: 60_000, outputBytes: 10_000_000 };
    const execution = await server.app.get(SandboxProvider, { strict: false }).exec(place, command);
    await execution.write(null);
    const texts = { stdout: '', stderr: '' };
    for await (const { stream, data } of execution.output) texts[stream] += data.toString();
    const { code } = await execution.exit;
    if (code !== 0) throw new Error(`the script exited with ${code}: ${texts.stderr}`);
    return texts.stdout;
  } finally {
    release();
  }
}
