import type { Operation } from '../operation.js';
import { assertWentWell } from '../git-words.js';

const LONGEST_SECONDS = 3600;
const STALL_SECONDS = 120;

/**
 * Answers one fetch request. It serves any object asked for: the server has verified the wants (`check-wants`)
 * before it comes here.
 */
export const uploadPack: Operation<'upload-pack'> = {
  name: 'upload-pack',
  kind: 'accessor',
  lane: 'pack',
  body: 'stream',
  params: (read) => ({ repo: read.repo(), protocol: read.protocol() }),
  async run(call) {
    const { repo, protocol } = call.params;
    const child = call.git(
      {
        repo,
        protocol,
        args: ['upload-pack', '--strict', '--stateless-rpc', repo],
        config: { 'uploadpack.allowFilter': 'true', 'uploadpack.allowAnySHA1InWant': 'true' },
      },
      { seconds: LONGEST_SECONDS },
    );
    call.body.pipe(child.stdin);
    const sent = await call.send(child.stdout, { stallSeconds: STALL_SECONDS });
    const exit = await child.exit;
    // Once git has spoken its own last packet is the error message; the client shows that.
    if (sent === 0) assertWentWell(exit, 'upload-pack');
    return undefined;
  },
};
