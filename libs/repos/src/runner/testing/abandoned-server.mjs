// A server that starts a git runner from the build, leaves a push half sent, tells its runner's pid and waits to be killed.
import { Readable } from 'node:stream';

const [runnerModule, root, repo] = process.argv.slice(2);
const { GitRunner } = await import(runnerModule);
const runner = await GitRunner.start({ root, searchPath: process.env.PATH });
const half = new Readable({ read() {} });
half.push(Buffer.from('PACK\0\0\0\x02\0\0\0\x05', 'latin1'));
runner.indexPack({ repo, maxBytes: 1_000_000 }, half).catch(() => undefined);
process.stdout.write(`${runner.pid}\n`);
setInterval(() => undefined, 1000);
